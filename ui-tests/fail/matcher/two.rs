use umbral_presence::presence;

#[presence(prefix = "room:", exact = "lobby")]
pub struct Room;

fn main() {}
