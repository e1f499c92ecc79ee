//! The questions to resolvers, and which of their answers are out of date.

use std::sync::atomic::{AtomicU64, Ordering};

use super::moments::LastMoments;
use crate::{name::UserId, roster::Asked};

/// How many users share one place of [`Questions`] by chance: too many would be asked for once
/// more than needed, which costs time and nothing else.
const PLACES: usize = 1024;

/// Numbers the questions to resolvers, and knows since when older answers are out of date.
#[derive(Debug)]
pub(super) struct Questions {
    last: AtomicU64,
    /// Which question the application has asked for last, by the users who share a place: what
    /// was asked before it may say what was true before.
    refreshed: LastMoments,
}

impl Default for Questions {
    fn default() -> Self {
        Self { last: AtomicU64::new(0), refreshed: LastMoments::new(PLACES) }
    }
}

impl Questions {
    /// Numbers a question, before it is asked.
    pub(super) fn next(&self) -> Asked {
        Asked(self.last.fetch_add(1, Ordering::SeqCst) + 1)
    }

    /// From now on, what was asked about a user before does not count.
    pub(super) fn refresh(&self, user: &UserId) {
        let Asked(question) = self.next();
        self.refreshed.note(user, question);
    }

    /// Whether what was asked about a user at this time still counts.
    pub(super) fn counts(&self, user: &UserId, asked: Asked) -> bool {
        self.refreshed.last(user) <= asked.0
    }
}
