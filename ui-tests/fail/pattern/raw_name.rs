use umbral_presence::presence;

#[presence(pattern = "doc:{r#type}")]
pub struct Doc {
    pub r#type: u64,
}

fn main() {}
