use umbral_presence::presence;

#[presence(prefix = "room:" grace = "2s")]
pub struct Room;

fn main() {}
