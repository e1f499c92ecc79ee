use umbral_presence::presence;

fn display(id: &'static str) -> serde_json::Value {
    id.into()
}

#[presence(prefix = "room:", resolver = display)]
pub struct Room;

fn main() {}
