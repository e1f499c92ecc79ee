use umbral_presence::presence;

#[presence(prefix = "room:")]
pub struct Room(pub &'static str);

fn main() {}
