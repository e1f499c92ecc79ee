use umbral_presence::{GroupPolicy, RealtimePlugin};

struct Teams;

impl GroupPolicy for Teams {
    async fn can_join(&self, _: Option<&str>, _: &str) -> Result<bool, std::io::Error> {
        Ok(true)
    }
}

fn main() {
    let _ = RealtimePlugin::new().group_policy(Teams);
}
