use umbral_presence::presence;

#[presence(prefix = "room:", batch_resolver = names)]
pub struct Room;

fn main() {}
