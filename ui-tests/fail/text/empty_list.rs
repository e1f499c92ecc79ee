use umbral_presence::presence;

#[presence(prefix = [])]
pub struct Room;

fn main() {}
