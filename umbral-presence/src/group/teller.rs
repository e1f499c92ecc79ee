//! What telling a group takes, whichever group it is.

use std::sync::Arc;

use crate::{counters::Counters, wire::Encoder};

/// What telling takes.
#[derive(Debug)]
pub(crate) struct Teller {
    pub(crate) encoder: Encoder,
    pub(crate) counters: Arc<Counters>,
    /// No more subscribers than this are told at once, under the group's lock: it costs less than
    /// letting the lock go.
    pub(crate) at_once: usize,
}

impl Default for Teller {
    fn default() -> Self {
        // The tests that go through interleavings have small groups.
        let at_once = if cfg!(feature = "__shuttle") { 1 } else { 64 };
        Self { encoder: Encoder, counters: Arc::default(), at_once }
    }
}
