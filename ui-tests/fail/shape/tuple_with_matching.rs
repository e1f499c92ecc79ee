use umbral_presence::presence;

fn is_room(name: &str) -> bool {
    name.len() > 4
}

#[presence(matching = is_room)]
pub struct Room(pub u64);

fn main() {}
