use std::collections::HashMap;
use umbral_presence::{UserId, presence};

async fn names(_: Vec<UserId>) -> HashMap<UserId, serde_json::Value> {
    HashMap::new()
}

#[presence(prefix = "room:", batch_resolver = names)]
pub struct Room;

fn main() {}
