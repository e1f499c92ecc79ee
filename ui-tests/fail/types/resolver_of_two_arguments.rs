use umbral_presence::presence;

fn display(id: &str, group: &str) -> serde_json::Value {
    format!("{id} in {group}").into()
}

#[presence(prefix = "room:", resolver = display)]
pub struct Room;

fn main() {}
