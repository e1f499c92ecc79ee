use umbral_presence::presence;

#[presence(pattern = "")]
pub struct Doc {
    pub id: u64,
}

fn main() {}
