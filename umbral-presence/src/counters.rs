//! What has happened so far, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::journal::{Failures, Reached};

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        if count > 0 {
            self.0.fetch_add(count, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one `Realtime`.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) transitions: Counter,
    pub(crate) cancelled: Counter,
    pub(crate) resyncs: Counter,
    pub(crate) missed: Counter,
    pub(crate) lost: Counter,
    pub(crate) reached: Reached,
    pub(crate) failed: Failures,
}

/// What has happened since [`build`](crate::RealtimePlugin::build), as
/// [`Realtime::counts`](crate::Realtime::counts) gives it. Every number only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Joins, leaves and updates that groups have told.
    pub transitions: u64,
    /// Changes that were not told because nothing changed in the end: a return within the grace, or
    /// a join and a leave within one tick.
    pub cancelled: u64,
    /// How often a snapshot took the place of a slow reader's changes of one group.
    pub resyncs: u64,
    /// Messages of the application that slow readers did not get.
    pub missed: u64,
    /// Connections that were ended because their peer was gone or stuck.
    pub lost: u64,
}

impl Counters {
    pub(crate) fn read(&self) -> Counts {
        Counts {
            transitions: self.transitions.get(),
            cancelled: self.cancelled.get(),
            resyncs: self.resyncs.get(),
            missed: self.missed.get(),
            lost: self.lost.get(),
        }
    }
}
