use umbral_presence::presence;

#[presence(prefix = "room:", exact = "lobby", matching = str::is_empty)]
pub struct Room;

fn main() {}
