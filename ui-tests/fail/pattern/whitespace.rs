use umbral_presence::presence;

#[presence(pattern = "my doc:{id}")]
pub struct Doc {
    pub id: u64,
}

fn main() {}
