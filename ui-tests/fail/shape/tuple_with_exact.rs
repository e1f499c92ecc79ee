use umbral_presence::presence;

#[presence(exact = "lobby")]
pub struct Lobby(pub u64);

fn main() {}
