use umbral_presence::presence;

fn display(id: &str) -> String {
    id.to_owned()
}

#[presence(prefix = "room:", resolver = display)]
pub struct Room;

fn main() {}
