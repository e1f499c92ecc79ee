use umbral_presence::presence;

#[presence(prefix = concat!("ro", "om:"))]
pub struct Room;

fn main() {}
