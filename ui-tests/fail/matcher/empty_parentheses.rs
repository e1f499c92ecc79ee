use umbral_presence::presence;

#[presence()]
pub struct Room;

fn main() {}
