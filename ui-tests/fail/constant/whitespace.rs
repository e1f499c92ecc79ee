use umbral_presence::presence;

const ROOM_PREFIX: &str = "chat room:";

#[presence(prefix = ROOM_PREFIX)]
pub struct Room(pub u64);

fn main() {}
