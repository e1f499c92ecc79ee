use umbral_presence::presence;

#[presence(prefix = "@user:")]
pub struct User;

fn main() {}
