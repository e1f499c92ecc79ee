use umbral_presence::presence;

#[presence(prefix = ROOM_PREFIX)]
pub struct Room;

fn main() {}
