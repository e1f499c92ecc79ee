use umbral_presence::presence;

pub const LOBBY: &str = "lobby\u{7}";

#[presence(exact = LOBBY)]
pub struct Lobby;

fn main() {}
