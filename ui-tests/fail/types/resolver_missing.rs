use umbral_presence::presence;

#[presence(prefix = "room:", resolver = display)]
pub struct Room;

fn main() {}
