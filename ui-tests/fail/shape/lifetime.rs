use umbral_presence::presence;

#[presence(prefix = "room:")]
pub struct Room<'a>(pub &'a str);

fn main() {}
