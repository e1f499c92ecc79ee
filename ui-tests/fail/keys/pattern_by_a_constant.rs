use umbral_presence::presence;

const DOC: &str = "doc:{id}";

#[presence(pattern = DOC)]
pub struct Doc {
    pub id: u64,
}

fn main() {}
