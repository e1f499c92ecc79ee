use umbral_presence::presence;

#[presence(perfix = "room:")]
pub struct Room;

fn main() {}
