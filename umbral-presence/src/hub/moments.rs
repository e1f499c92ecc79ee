//! The last moment of each of many, in a table whose size is fixed: those who share a place by
//! chance share the later moment.

use std::{
    hash::{BuildHasher, Hash},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::hash::Keyed;

/// The places, each with the last moment of those who share it.
#[derive(Debug)]
pub(super) struct LastMoments {
    last: Box<[AtomicU64]>,
    hasher: Keyed,
}

impl LastMoments {
    /// So many places. Too few would have what is true of one taken for true of others.
    pub(super) fn new(count: usize) -> Self {
        let last = (0..count).map(|_| AtomicU64::new(0)).collect();
        Self { last, hasher: Keyed::default() }
    }

    /// Notes a moment, unless a later one is noted.
    pub(super) fn note(&self, who: impl Hash, moment: u64) {
        self.place(who).fetch_max(moment, Ordering::SeqCst);
    }

    /// The last moment that was noted; 0 where none was.
    pub(super) fn last(&self, who: impl Hash) -> u64 {
        self.place(who).load(Ordering::SeqCst)
    }

    fn place(&self, who: impl Hash) -> &AtomicU64 {
        let places = self.last.len() as u64;
        let at = usize::try_from(self.hasher.hash_one(who) % places).unwrap_or_default();
        &self.last[at]
    }
}
