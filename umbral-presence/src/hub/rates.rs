//! How often each user and each address may do something.

use std::{hash::Hash, net::IpAddr, time::Instant};

use dashmap::DashMap;

use crate::{connection::Rate, hash::Keyed, limits::Limits, name::UserId};

/// So many streams of one user may call as fast as one may.
const STREAMS: u32 = 10;

/// The rates of one hub.
#[derive(Debug)]
pub(super) struct Rates {
    pub(super) opens_of_users: Each<UserId>,
    pub(super) opens_of_addresses: Each<IpAddr>,
    pub(super) lookups_of_users: Each<UserId>,
    pub(super) lookups_of_addresses: Each<IpAddr>,
    /// Calls for streams that other nodes hold, which count for each stream what is made for it.
    pub(super) calls_of_users: Each<UserId>,
}

impl Rates {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            opens_of_users: Each::new(limits.opens_per_user),
            opens_of_addresses: Each::new(limits.opens_per_address),
            lookups_of_users: Each::new(limits.members_per_second),
            lookups_of_addresses: Each::new(limits.members_per_second),
            calls_of_users: Each::new(limits.control_per_second.saturating_mul(STREAMS)),
        }
    }

    #[cfg(all(test, not(feature = "__shuttle")))]
    pub(super) fn is_empty(&self) -> bool {
        let users = [&self.opens_of_users, &self.lookups_of_users];
        let addresses = [&self.opens_of_addresses, &self.lookups_of_addresses];
        users.iter().all(|each| each.rates.is_empty())
            && addresses.iter().all(|each| each.rates.is_empty())
            && self.calls_of_users.rates.is_empty()
    }

    /// Forgets those who have done nothing lately.
    pub(super) fn forget(&self, now: Instant) {
        self.opens_of_users.forget(now);
        self.opens_of_addresses.forget(now);
        self.lookups_of_users.forget(now);
        self.lookups_of_addresses.forget(now);
        self.calls_of_users.forget(now);
    }
}

/// One rate for each of many.
#[derive(Debug)]
pub(super) struct Each<K: Eq + Hash> {
    per_second: u32,
    /// Those who have done it within the last second, and some who are to be forgotten.
    rates: DashMap<K, Rate, Keyed>,
}

impl<K: Eq + Hash> Each<K> {
    fn new(per_second: u32) -> Self {
        Self { per_second, rates: DashMap::default() }
    }

    /// Whether this one may do it once more now; once too often does not count.
    pub(super) fn admits(&self, who: K, now: Instant) -> bool {
        let new = || Rate::new(self.per_second, now);
        self.rates.entry(who).or_insert_with(new).admits(now)
    }

    fn forget(&self, now: Instant) {
        self.rates.retain(|_, rate| !rate.is_idle(now));
        if self.rates.is_empty() {
            self.rates.shrink_to_fit();
        }
    }
}
