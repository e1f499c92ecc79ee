//! The entries of an outbox that wait, in order, and what they cost.

use std::collections::VecDeque;

use indexmap::IndexSet;

use crate::{limits::ENTRY_BYTES, wire::Frames};

/// Names a feed of an outbox. One that is closed is never named again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FeedId {
    pub(super) slot: u32,
    pub(super) number: u64,
}

pub(super) enum Entry {
    /// Must arrive: an answer, or news of the connection itself.
    Control(Frames),
    /// A message of the application.
    Message(Frames),
    /// Changes of a group.
    Delta(FeedId, Frames),
    /// The snapshot of this feed that has this number.
    Snapshot(FeedId, u64),
}

#[derive(Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    /// What the entries cost.
    cost: usize,
    /// How many of them are changes of groups.
    deltas: usize,
}

impl Entry {
    fn is_delta(&self) -> bool {
        matches!(self, Self::Delta(..))
    }

    pub(super) fn cost(&self) -> usize {
        ENTRY_BYTES
            + match self {
                Self::Control(frames) | Self::Message(frames) | Self::Delta(_, frames) => {
                    frames.bytes()
                }
                Self::Snapshot(..) => 0,
            }
    }
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    pub(super) fn push(&mut self, entry: Entry) {
        self.cost += entry.cost();
        self.deltas += usize::from(entry.is_delta());
        self.entries.push_back(entry);
    }

    pub(super) fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.cost -= entry.cost();
        self.deltas -= usize::from(entry.is_delta());
        if self.entries.is_empty() {
            // An idle connection keeps no buffer.
            self.entries = VecDeque::new();
        }
        Some(entry)
    }

    /// Drops the changes and the snapshot of a feed. Its messages stay.
    pub(super) fn drop_feed(&mut self, feed: FeedId) {
        self.retain(|entry| match entry {
            Entry::Delta(of, _) | Entry::Snapshot(of, _) => *of != feed,
            Entry::Control(_) | Entry::Message(_) => true,
        });
    }

    /// Drops all changes. Gives the feeds that had some.
    pub(super) fn drop_deltas(&mut self) -> IndexSet<FeedId> {
        let mut feeds = IndexSet::new();
        if self.deltas > 0 {
            self.retain(|entry| {
                let Entry::Delta(feed, _) = entry else {
                    return true;
                };
                feeds.insert(*feed);
                false
            });
        }
        feeds
    }

    /// Drops the oldest messages until the rest fits. Gives how many.
    pub(super) fn drop_messages(&mut self, limit: usize) -> u64 {
        let mut dropped = 0;
        while self.cost > limit
            && let Some(at) = self.entries.iter().position(|e| matches!(e, Entry::Message(_)))
            && let Some(message) = self.entries.remove(at)
        {
            self.cost -= message.cost();
            dropped += 1;
        }
        dropped
    }

    fn retain(&mut self, mut keep: impl FnMut(&Entry) -> bool) {
        let (cost, deltas) = (&mut self.cost, &mut self.deltas);
        self.entries.retain(|entry| {
            let kept = keep(entry);
            if !kept {
                *cost -= entry.cost();
                *deltas -= usize::from(entry.is_delta());
            }
            kept
        });
    }
}
