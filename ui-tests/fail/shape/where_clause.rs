use umbral_presence::presence;

#[presence(prefix = "room:")]
pub struct Room(pub u64)
where
    u64: Copy;

fn main() {}
