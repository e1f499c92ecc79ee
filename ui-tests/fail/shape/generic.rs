use umbral_presence::presence;

#[presence(prefix = "room:")]
pub struct Room<T>(pub T);

fn main() {}
