use umbral_presence::presence;

#[presence(prefix = "room:")]
pub struct Room {
    pub id: u64,
}

fn main() {}
