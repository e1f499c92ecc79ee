use umbral_presence::presence;

#[presence(prefix = "room:")]
pub struct Room<const N: usize>;

fn main() {}
