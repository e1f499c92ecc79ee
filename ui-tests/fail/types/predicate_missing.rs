use umbral_presence::presence;

#[presence(matching = is_room)]
pub struct Room;

fn main() {}
