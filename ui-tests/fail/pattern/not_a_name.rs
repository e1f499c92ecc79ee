use umbral_presence::presence;

#[presence(pattern = "doc:{0}")]
pub struct Doc {
    pub id: u64,
}

fn main() {}
