use umbral_presence::presence;

#[presence(prefix = "room:")]
#[presence(prefix = "table:")]
pub struct Room;

fn main() {}
