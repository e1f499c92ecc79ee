//! The other nodes of a node that is alone: none.

use std::{convert::Infallible, sync::Weak, time::Duration};

use serde_json::value::RawValue;

use super::{degraded::Degraded, whom::Whom};
use crate::name::{GroupName, SessionId, UserId};

/// The other nodes. There are none without the feature `redis`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nodes {}

/// Nobody has to be waited for.
pub(crate) type Wait = Infallible;

/// No node is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Silent {
    pub(crate) nodes: Option<usize>,
}

#[allow(clippy::unused_self, clippy::unused_async)]
impl Nodes {
    pub(crate) fn are_there(&self) -> bool {
        false
    }

    pub(crate) fn process(&self) -> Option<u64> {
        None
    }

    pub(crate) fn start<H>(&self, _: &Weak<H>) {}

    pub(crate) fn look(&self, _: impl FnOnce() -> Whom) {}

    pub(crate) fn wait(&self, _: impl FnOnce() -> Whom) -> Option<Wait> {
        None
    }

    pub(crate) async fn wait_for_all(_: Vec<Wait>, _: Duration) {}

    pub(crate) fn send(&self, _: &Whom, _event: &str, _data: &RawValue) {}

    pub(crate) fn degraded(&self) -> Option<Degraded> {
        None
    }

    pub(crate) async fn leave(&self, _: Duration) {}

    pub(crate) async fn disconnect(&self, _: &UserId) -> Option<Silent> {
        None
    }

    pub(crate) async fn end_session(&self, _: &SessionId) -> Option<Silent> {
        None
    }

    pub(crate) async fn recheck_user(&self, _: &UserId) -> Option<Silent> {
        None
    }

    pub(crate) async fn recheck_group(&self, _: &GroupName) -> Option<Silent> {
        None
    }

    pub(crate) async fn refresh(&self, _: &UserId) -> Option<Silent> {
        None
    }

    pub(crate) async fn groups_of(&self, _: &UserId) -> (Vec<GroupName>, Option<Silent>) {
        (Vec::new(), None)
    }
}
