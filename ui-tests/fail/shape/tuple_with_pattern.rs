use umbral_presence::presence;

#[presence(pattern = "doc:{id}")]
pub struct Doc(pub u64);

fn main() {}
