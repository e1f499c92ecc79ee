use umbral_presence::presence;

#[presence(prefix = "a b", grace = "soon", resolve = display)]
pub struct Room;

fn main() {}
