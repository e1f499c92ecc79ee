use umbral_presence::presence;

#[presence(prefix = "room:")]
pub const ROOM: &str = "room:";

fn main() {}
