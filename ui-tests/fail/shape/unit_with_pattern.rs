use umbral_presence::presence;

#[presence(pattern = "doc:{id}")]
pub struct Doc;

fn main() {}
