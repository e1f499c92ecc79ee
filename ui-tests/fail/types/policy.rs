//! A policy of a type that cannot be asked.

use umbral_presence::{UserId, presence};

#[presence(prefix = "room:", policy = by_name)]
pub struct Room(pub u64);

fn by_name(user: Option<&str>, group: &str) -> bool {
    user.is_some() && group != "room:0"
}

#[presence(prefix = "desk:", policy = without_an_answer)]
pub struct Desk(pub u64);

async fn without_an_answer(_: Option<UserId>, _: Desk, _: umbral_presence::ResolveContext) {}

#[presence(prefix = "hall:", policy = "open")]
pub struct Hall(pub u64);

fn main() {}
