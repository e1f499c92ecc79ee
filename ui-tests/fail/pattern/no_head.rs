use umbral_presence::presence;

#[presence(pattern = "{id}:doc")]
pub struct Doc {
    pub id: u64,
}

fn main() {}
