use umbral_presence::presence;

#[presence(prefix = "room:", grace = "soon")]
pub struct Room;

fn main() {}
