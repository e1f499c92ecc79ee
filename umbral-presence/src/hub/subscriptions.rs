//! The groups of one connection.

use std::{sync::Arc, time::Instant};

use super::{revocations::Moment, sign_in::SignIn};
use crate::{
    connection::FeedId,
    group::{GroupCell, SubscriberId},
    name::{GroupName, SessionId},
    roster::SeatId,
};

/// The groups of one connection, and what it owes to them.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    /// Sorted by name: most connections have one, and then nothing else is as small.
    list: Vec<Subscription>,
    /// The number of the newest `control` call that was heeded.
    pub(super) number: u64,
    /// When the identity resolver was last asked and said that the connection is its user's.
    pub(super) identified: Moment,
    /// When that was, by the clock.
    pub(super) identified_at: Option<Instant>,
    /// What it said then of the session.
    pub(super) session: Option<SessionId>,
    /// Until when that holds.
    pub(super) until: Option<Instant>,
    /// Nothing may be joined any more: the goodbye has run.
    pub(super) ended: bool,
}

/// One group of a connection. The code that takes it out makes the connection leave the group.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) cell: Arc<GroupCell>,
    pub(super) subscriber: SubscriberId,
    pub(super) feed: FeedId,
    pub(super) seat: Option<SeatId>,
    /// When the policy was last asked and said yes. A no that it was asked for earlier does not
    /// count, however late it comes.
    pub(super) allowed: Moment,
}

impl Subscriptions {
    /// Those of a connection that has none yet.
    pub(super) fn of(sign_in: Option<SignIn>) -> Self {
        let (session, until) = sign_in.map(|it| (it.session, it.until)).unwrap_or_default();
        Self { session, until, ..Self::default() }
    }

    fn find(&self, name: &GroupName) -> Result<usize, usize> {
        self.list.binary_search_by(|held| held.cell.name.cmp(name))
    }

    pub(super) fn get(&self, name: &GroupName) -> Option<&Subscription> {
        self.find(name).ok().map(|at| &self.list[at])
    }

    pub(super) fn get_mut(&mut self, name: &GroupName) -> Option<&mut Subscription> {
        self.find(name).ok().map(|at| &mut self.list[at])
    }

    /// Adds a group that it is not in.
    pub(super) fn add(&mut self, subscription: Subscription) {
        let at = match self.find(&subscription.cell.name) {
            Ok(at) | Err(at) => at,
        };
        if self.list.is_empty() {
            self.list.reserve_exact(1);
        }
        self.list.insert(at, subscription);
    }

    pub(super) fn remove(&mut self, name: &GroupName) -> Option<Subscription> {
        self.find(name).ok().map(|at| self.list.remove(at))
    }

    pub(super) fn take_all(&mut self) -> Vec<Subscription> {
        std::mem::take(&mut self.list)
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = &Arc<GroupCell>> {
        self.list.iter().map(|held| &held.cell)
    }

    pub(super) fn names(&self) -> impl ExactSizeIterator<Item = &GroupName> {
        self.list.iter().map(|held| &held.cell.name)
    }
}
