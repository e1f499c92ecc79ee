use umbral_presence::presence;

#[presence(prefix = "room\u{7}:")]
pub struct Room;

fn main() {}
