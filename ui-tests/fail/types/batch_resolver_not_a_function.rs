use umbral_presence::presence;

const NAMES: &str = "names";

#[presence(prefix = "room:", batch_resolver = NAMES)]
pub struct Room;

fn main() {}
