use umbral_presence::presence;

#[presence(prefix = "room:", crate = "umbral_presence")]
pub struct Room;

fn main() {}
