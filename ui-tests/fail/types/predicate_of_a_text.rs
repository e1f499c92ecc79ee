use umbral_presence::presence;

fn is_room(name: String) -> bool {
    name.starts_with("room:")
}

#[presence(matching = is_room)]
pub struct Room;

fn main() {}
