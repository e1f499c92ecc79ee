use umbral_presence::presence;

#[presence(prefix = ["room:", "room:vip:"])]
pub struct Room;

fn main() {}
