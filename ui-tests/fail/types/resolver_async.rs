use umbral_presence::presence;

async fn display(id: &str) -> serde_json::Value {
    id.into()
}

#[presence(prefix = "room:", resolver = display)]
pub struct Room;

fn main() {}
