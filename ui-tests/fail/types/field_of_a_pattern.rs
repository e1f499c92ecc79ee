use umbral_presence::presence;

pub struct Id;

#[presence(pattern = "doc:{id}:{part}")]
pub struct Doc {
    pub id: Id,
    pub part: u64,
}

fn main() {}
