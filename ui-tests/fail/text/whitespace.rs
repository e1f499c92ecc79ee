use umbral_presence::presence;

#[presence(prefix = "chat room:")]
pub struct Room;

fn main() {}
