use umbral_presence::presence;

#[presence(prefix = ["room:", "room:"])]
pub struct Room;

fn main() {}
