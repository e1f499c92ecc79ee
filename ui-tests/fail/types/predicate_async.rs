use umbral_presence::presence;

async fn is_room(name: &str) -> bool {
    name.starts_with("room:")
}

#[presence(matching = is_room)]
pub struct Room;

fn main() {}
