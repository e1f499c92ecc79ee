//! What has happened so far, counted.

use serde::Serialize;

use crate::{
    counter::Counter,
    figures::Traffic,
    journal::{Failures, Reached},
};

/// The counters of one `Realtime`.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) transitions: Counter,
    pub(crate) cancelled: Counter,
    pub(crate) resyncs: Counter,
    pub(crate) missed: Counter,
    pub(crate) lost: Counter,
    pub(crate) unreadable: Counter,
    pub(crate) unsent: Counter,
    pub(crate) reached: Reached,
    pub(crate) failed: Failures,
    pub(crate) traffic: Traffic,
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
    /// Events of the application, and questions, that other nodes were not sent: the store was out of
    /// reach, or too much waited for it.
    pub unsent: u64,
    /// Messages of other nodes that this node could not read, and ignored: of another version of
    /// the library, or garbage.
    pub unreadable: u64,
}

impl Counters {
    pub(crate) fn read(&self) -> Counts {
        Counts {
            transitions: self.transitions.get(),
            cancelled: self.cancelled.get(),
            resyncs: self.resyncs.get(),
            missed: self.missed.get(),
            lost: self.lost.get(),
            unsent: self.unsent.get(),
            unreadable: self.unreadable.get(),
        }
    }
}
