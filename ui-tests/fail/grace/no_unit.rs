use umbral_presence::presence;

#[presence(prefix = "room:", grace = "2")]
pub struct Room;

fn main() {}
