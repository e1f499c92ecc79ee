use umbral_presence::presence;

#[presence(pattern = "org:{org}:doc:{doc}")]
pub struct Doc {
    pub org: u64,
    pub document: u64,
}

fn main() {}
