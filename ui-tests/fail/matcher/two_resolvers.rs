use umbral_presence::presence;

#[presence(prefix = "room:", resolver = display, batch_resolver = names)]
pub struct Room;

fn main() {}
