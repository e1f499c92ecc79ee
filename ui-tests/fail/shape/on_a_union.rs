use umbral_presence::presence;

#[presence(prefix = "room:")]
pub union Room {
    pub id: u64,
}

fn main() {}
