use umbral_presence::presence;

#[presence(exact = "lobby")]
pub struct Lobby {
    pub id: u64,
}

fn main() {}
