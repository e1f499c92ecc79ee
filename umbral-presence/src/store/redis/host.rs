//! What the store and the hub want of each other.

use std::time::Duration;

use serde_json::value::RawValue;
use tokio::sync::oneshot;

use super::{node::Facts, topic::Topic};
use crate::{name::GroupName, roster::View, store::whom::Whom};

/// What the store serves: the hub.
pub(crate) trait Host: Send + Sync + 'static {
    /// Changes what is known of a group. Says whether this node serves the group, and the group has
    /// presence.
    fn change(&self, group: &GroupName, change: &mut dyn FnMut(&mut Facts, &mut View)) -> bool;

    /// Whether somebody here is to get what is sent to these.
    fn serves(&self, whom: &Whom) -> bool;

    /// Queues an event for those of them who are here.
    fn deliver(&self, whom: &Whom, event: &str, data: &RawValue);

    /// So many letters were not sent.
    fn count_unsent(&self, letters: u64);

    /// Something has come that cannot be read.
    fn count_unreadable(&self);
}

/// What the task is to look at.
#[derive(Debug)]
pub(super) enum Look {
    /// Somebody here begins or ends to be interested in it, or a group has something to say.
    At(Topic),
    /// All nodes are asked this, those that cannot hear now included.
    Remember(Vec<u8>),
    /// Says which nodes are alive, without this one.
    Live(oneshot::Sender<Vec<u64>>),
    /// This node ends: what it has said holds for that long. The sender is dropped when the store
    /// knows.
    Leave(Duration, oneshot::Sender<()>),
}
