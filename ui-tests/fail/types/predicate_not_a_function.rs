use umbral_presence::presence;

const IS_ROOM: &str = "room:";

#[presence(matching = IS_ROOM)]
pub struct Room;

fn main() {}
