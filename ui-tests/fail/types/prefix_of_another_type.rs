use umbral_presence::presence;

const ROOM: u64 = 7;

#[presence(prefix = ROOM)]
pub struct Room(pub u64);

fn main() {}
