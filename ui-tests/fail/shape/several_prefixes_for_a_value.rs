use umbral_presence::presence;

#[presence(prefix = ["room:", "table:"])]
pub struct Room(pub u64);

fn main() {}
