use umbral_presence::presence;

fn display(id: &str) -> serde_json::Value {
    id.into()
}

#[presence(prefix = 5, resolver = "display", grace = 2)]
pub struct Room;

pub fn used() {
    display("");
}

fn main() {}
