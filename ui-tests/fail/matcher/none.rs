use umbral_presence::presence;

#[presence(grace = "2s")]
pub struct Room;

fn main() {}
