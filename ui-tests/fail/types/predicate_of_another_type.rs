use umbral_presence::presence;

fn is_room(name: &str) -> usize {
    name.len()
}

#[presence(matching = is_room)]
pub struct Room;

fn main() {}
