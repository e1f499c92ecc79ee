use umbral_presence::presence;

#[presence(prefix = "room:")]
pub mod room {
    pub struct Room;
}

fn main() {}
