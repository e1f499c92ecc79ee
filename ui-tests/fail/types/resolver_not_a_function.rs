use umbral_presence::presence;

const DISPLAY: &str = "display";

#[presence(prefix = "room:", resolver = DISPLAY)]
pub struct Room;

fn main() {}
