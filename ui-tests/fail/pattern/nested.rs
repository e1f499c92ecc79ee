use umbral_presence::presence;

#[presence(pattern = "doc:{a{b}}")]
pub struct Doc {
    pub a: u64,
}

fn main() {}
