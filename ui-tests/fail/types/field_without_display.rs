use umbral_presence::presence;

pub struct Id;

#[presence(prefix = "room:")]
pub struct Room(pub Id);

fn main() {}
