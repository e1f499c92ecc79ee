use umbral_presence::presence;

#[presence(prefix = "room:", grace = "11m")]
pub struct Room;

fn main() {}
