use umbral_presence::presence;

#[presence(prefix = "room:")]
pub enum Room {
    Small,
}

fn main() {}
