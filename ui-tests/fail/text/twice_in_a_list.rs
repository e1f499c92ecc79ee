use umbral_presence::presence;

#[presence(exact = ["lobby", "hall", "lobby"])]
pub struct Lobby;

fn main() {}
