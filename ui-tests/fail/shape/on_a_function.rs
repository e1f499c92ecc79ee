use umbral_presence::presence;

#[presence(prefix = "room:")]
pub fn room() {}

fn main() {}
