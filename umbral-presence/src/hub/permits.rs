//! How many connections there may be: in all, of anonymous visitors, of one user and from one
//! address.

use std::{hash::Hash, net::IpAddr, sync::Arc};

use dashmap::{DashMap, Entry};
use tokio::sync::Semaphore;

use crate::{hash::Keyed, limits::Limits, name::UserId};

/// The permits of a hub that are left.
#[derive(Debug)]
pub(super) struct Permits {
    pub(super) all: Arc<Semaphore>,
    pub(super) anonymous: Arc<Semaphore>,
    /// Connections by user and by address.
    pub(super) users: Tally<UserId>,
    pub(super) addresses: Tally<IpAddr>,
    /// For requests that have no connection and open none, as many as there may be connections.
    pub(super) turns: Arc<Semaphore>,
    pub(super) turns_of_users: Tally<UserId>,
    pub(super) turns_of_addresses: Tally<IpAddr>,
}

/// How many each of many has; those who have none are not there.
#[derive(Debug)]
pub(super) struct Tally<K: Eq + Hash>(DashMap<K, usize, Keyed>);

impl<K: Eq + Hash> Default for Tally<K> {
    fn default() -> Self {
        Self(DashMap::default())
    }
}

impl<K: Eq + Hash> Tally<K> {
    /// Counts one more for somebody who has fewer than `most`.
    pub(super) fn add(&self, who: K, most: usize) -> bool {
        let mut count = self.0.entry(who).or_default();
        let is_counted = *count < most;
        *count += usize::from(is_counted);
        is_counted
    }

    /// Counts one less.
    pub(super) fn remove(&self, who: K) {
        if let Entry::Occupied(mut count) = self.0.entry(who) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

impl Permits {
    pub(super) fn new(limits: &Limits) -> Self {
        let semaphore = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Self {
            all: semaphore(limits.connections),
            anonymous: semaphore(limits.anonymous_connections()),
            users: Tally::default(),
            addresses: Tally::default(),
            turns: semaphore(limits.connections),
            turns_of_users: Tally::default(),
            turns_of_addresses: Tally::default(),
        }
    }
}
