//! What a node reads: the groups of which something may have been missed, some at a time.

use std::time::Instant;

use super::{
    facts::Reader,
    shard::{Chance, Groups, Shard},
    under_way::Reading,
    words::{NodeId, Position, Request, Stored, Version},
};
use crate::name::{GroupName, UserId};

/// So many groups are read at once.
const READING: usize = 16;

impl<C: Chance> Shard<C> {
    /// Forgets who was held, when it is time to.
    pub(super) fn release(&mut self, groups: &mut impl Groups) {
        let is_told = self.release_at.is_some_and(|version| version <= self.known);
        // In a group that is still to be read nobody is hidden before.
        if is_told {
            (self.hold_until, self.release_at) = (None, None);
            groups.each(|_, facts, view| facts.release(view));
        }
    }

    pub(super) fn read(&mut self, groups: &mut impl Groups) -> Option<Request> {
        let mut asked = Vec::new();
        while asked.len() < READING
            && let Some(group) = self.unread.pop()
        {
            if groups.with(&group, |facts, _| facts.asked()).is_some() {
                asked.push(group);
            }
        }
        if asked.is_empty() {
            return None;
        }
        let since = Version::default();
        self.reading =
            Some(Reading { groups: asked.clone(), known: self.known, since, is_void: false });
        Some(Request::Read { groups: asked })
    }

    pub(super) fn found(
        &mut self,
        at: Position,
        live: &[NodeId],
        found: Vec<(GroupName, Vec<(UserId, Stored)>)>,
        now: Instant,
        groups: &mut impl Groups,
    ) {
        let Some(reading) = self.reading.take() else {
            return;
        };
        if !reading.is_void && self.is_another_history(at, reading.known) {
            self.begin_again(at, now, groups);
        } else if !reading.is_void && at.version >= reading.since {
            let holds = self.hold_until.is_some();
            let (version, process) = (at.version, self.process());
            let by = Reader { version, known: self.known, us: self.us, process, holds };
            for (group, mut users) in found {
                users.retain(|(_, stored)| live.contains(&stored.node));
                self.with(&group, groups, |facts, view| facts.read(users, &by, view));
            }
        } else {
            for group in &reading.groups {
                self.with(group, groups, |facts, _| facts.missed());
            }
        }
    }

    /// Something up to this version was not told.
    pub(super) fn missed(&mut self, version: Version, groups: &mut impl Groups) {
        if let Some(reading) = &mut self.reading {
            reading.since = reading.since.max(version);
        }
        self.each(groups, |facts, _| facts.missed_until(version));
    }
}
