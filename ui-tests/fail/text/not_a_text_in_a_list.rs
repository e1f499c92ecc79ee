use umbral_presence::presence;

#[presence(prefix = ["room:", 5, TABLE])]
pub struct Room;

fn main() {}
