use umbral_presence::presence;

#[presence(exact = ["lobby", "a,b"])]
pub struct Lobby;

fn main() {}
