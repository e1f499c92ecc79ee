use umbral_presence::presence;

#[presence(pattern = "@doc:{id}")]
pub struct Doc {
    pub id: u64,
}

fn main() {}
