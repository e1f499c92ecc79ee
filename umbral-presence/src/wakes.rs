//! Readers who have something to read, to be woken when every lock has been let go.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    task::Waker,
};

use crate::sync::assert_unlocked;

/// Wakes its readers when it is dropped.
///
/// Waking runs code of an executor, which may drop what it wakes at once, and so come back for the
/// locks. So this is made *before* a lock is taken, since values are dropped in the reverse order.
#[derive(Default)]
pub(crate) struct Wakes(Vec<Waker>);

impl Wakes {
    /// Adds a reader, if there is one that waits.
    pub(crate) fn add(&mut self, reader: Option<Waker>) {
        self.0.extend(reader);
    }
}

impl Drop for Wakes {
    fn drop(&mut self) {
        if !self.0.is_empty() {
            assert_unlocked();
        }
        for reader in self.0.drain(..) {
            // It may be an executor of the application's.
            if catch_unwind(AssertUnwindSafe(|| reader.wake())).is_err() {
                tracing::error!("a waker panicked; what it was to wake may wait for ever");
            }
        }
    }
}

impl fmt::Debug for Wakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wakes({})", self.0.len())
    }
}
