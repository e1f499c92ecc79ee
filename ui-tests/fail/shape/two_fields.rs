use umbral_presence::presence;

#[presence(prefix = "room:")]
pub struct Room(pub u64, pub u64);

fn main() {}
