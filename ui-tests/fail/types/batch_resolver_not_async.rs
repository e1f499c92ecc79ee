use std::collections::HashMap;
use umbral_presence::{ResolveContext, UserId, presence};

fn names(_: Vec<UserId>, _: ResolveContext) -> HashMap<UserId, serde_json::Value> {
    HashMap::new()
}

#[presence(prefix = "room:", batch_resolver = names)]
pub struct Room;

fn main() {}
