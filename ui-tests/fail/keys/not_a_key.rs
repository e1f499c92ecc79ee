use umbral_presence::presence;

#[presence("room:")]
pub struct Room;

fn main() {}
