use umbral_presence::presence;

mod people {
    fn display(id: &str) -> serde_json::Value {
        id.into()
    }
}

#[presence(prefix = "room:", resolver = people::display)]
pub struct Room;

fn main() {}
