//! What is on its way between a node and the store.

use super::words::Version;
use crate::name::{GroupName, UserId};

/// What is being said.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) users: Vec<(GroupName, UserId)>,
    pub(super) known: Version,
}

/// What is being read.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) groups: Vec<GroupName>,
    pub(super) known: Version,
    /// What comes of it is to be at least this new.
    pub(super) since: Version,
    /// The history it is asked of has ended.
    pub(super) is_void: bool,
}
