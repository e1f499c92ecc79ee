//! Who is said to have left, to those who watch.

use std::{collections::BTreeMap, time::Instant};

use parking_lot::Mutex;

/// The leaves that watchers have been told, with the time of each.
#[derive(Debug, Default)]
pub(crate) struct Leaves(Mutex<Vec<(u32, Instant)>>);

impl Leaves {
    /// A watcher has been told at `now` that the user has left.
    pub(crate) fn note(&self, user: u32, now: Instant) {
        self.0.lock().push((user, now));
    }

    /// The users who are said to have left before their last connection was closed, one for each
    /// time. `closed` has the time of that, and nobody who stays.
    pub(crate) fn wrong(&self, closed: &BTreeMap<u32, Instant>) -> Vec<u32> {
        let told = self.0.lock();
        let is_wrong =
            |(user, at): &&(u32, Instant)| closed.get(user).is_none_or(|closed| at < closed);
        told.iter().filter(is_wrong).map(|(user, _)| *user).collect()
    }
}
