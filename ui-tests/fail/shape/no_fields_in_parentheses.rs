use umbral_presence::presence;

#[presence(exact = "lobby")]
pub struct Lobby();

fn main() {}
