use umbral_presence::presence;

/// A room.
#[presence(prefix = "room:")]
pub trait Room {}

fn main() {}
