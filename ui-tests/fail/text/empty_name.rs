use umbral_presence::presence;

#[presence(exact = "")]
pub struct Lobby;

fn main() {}
