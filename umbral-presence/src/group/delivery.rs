//! Telling the subscribers of a group what has changed.
//!
//! A delivery is made under the group's lock: what it tells, whom, and in which order is fixed
//! then. It is carried out without that lock, so that a join does not wait until all subscribers
//! have been told. A group has one delivery at a time. A reader that takes a snapshot in the
//! meantime is at the delivery's version already, and a reader that leaves has closed its feed:
//! the outboxes of both take nothing of the delivery.

use std::time::{Duration, Instant};

use super::{
    subscribers::{Audience, Subscriber, Subscribers},
    teller::Teller,
};
use crate::{name::GroupName, roster::Change, wakes::Wakes, wire::Encoded};

/// Changes on their way to the outboxes.
#[derive(Debug)]
pub(crate) struct Delivery {
    group: GroupName,
    changes: Vec<Change>,
    /// The versions before and after the changes.
    versions: (u64, u64),
    encoded: Encoded,
    audience: Audience,
    /// How many they are.
    len: usize,
    /// The next row of it.
    row: usize,
    /// Those who get a snapshot now, and changes from now on.
    newcomers: Vec<Subscriber>,
    /// When it was settled what is told.
    pub(super) begun: Instant,
    /// What it has cost so far, by the machine's clock.
    pub(super) spent: Duration,
    is_over: bool,
}

impl Delivery {
    pub(super) fn new(
        group: GroupName,
        changes: Vec<Change>,
        version: u64,
        subscribers: &Subscribers,
        newcomers: Vec<Subscriber>,
        begun: Instant,
    ) -> Self {
        // Without changes those who know the members are told nothing.
        let (audience, len) = if changes.is_empty() {
            (Audience::default(), newcomers.len())
        } else {
            (subscribers.audience(), subscribers.len())
        };
        let versions = (version - changes.len() as u64, version);
        let is_over = changes.is_empty() && newcomers.is_empty();
        Self {
            group,
            changes,
            versions,
            encoded: Encoded::default(),
            audience,
            len,
            row: 0,
            newcomers,
            begun,
            spent: Duration::ZERO,
            is_over,
        }
    }

    pub(super) fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// How many subscribers there are to tell.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Tells some more, about a row of subscribers. Says whether there is more to do.
    pub(crate) fn go_on(&mut self, teller: &Teller, wakes: &mut Wakes) -> bool {
        if self.is_over {
            return false;
        }
        let started = Instant::now();
        let Self { group, changes, versions, encoded, audience, row, newcomers, .. } = self;
        if let Some(subscribers) = audience.row(*row) {
            for Subscriber { reader, feed } in subscribers {
                let frames = encoded.get(reader.dialect, |dialect| {
                    teller.encoder.delta(dialect, group, changes, versions.1)
                });
                wakes.add(reader.outbox.push_delta(*feed, *versions, frames));
            }
            *row += 1;
        } else {
            for Subscriber { reader, feed } in newcomers.drain(..) {
                wakes.add(reader.outbox.want_snapshot(feed));
            }
            self.is_over = true;
        }
        self.spent += started.elapsed();
        !self.is_over
    }
}
