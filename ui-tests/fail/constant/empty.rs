use umbral_presence::presence;

const ROOM_PREFIX: &str = "";

#[presence(prefix = ROOM_PREFIX)]
pub struct Room(pub u64);

fn main() {}
