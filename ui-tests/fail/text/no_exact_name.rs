use umbral_presence::presence;

#[presence(exact = [])]
pub struct Places;

fn main() {}
