use umbral_presence::presence;

pub struct Room;

#[presence(prefix = "room:")]
impl Room {}

fn main() {}
