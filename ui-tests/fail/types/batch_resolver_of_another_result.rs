use umbral_presence::{ResolveContext, UserId, presence};

async fn names(_: Vec<UserId>, _: ResolveContext) -> Vec<serde_json::Value> {
    Vec::new()
}

#[presence(prefix = "room:", batch_resolver = names)]
pub struct Room;

fn main() {}
