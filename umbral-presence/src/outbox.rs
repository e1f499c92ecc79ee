//! What waits to be written to one connection.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use crate::{counters::Counters, frame::Frames, group::GroupName, sync::Mutex};

/// What a queued entry costs besides its bytes, which others share: the entry itself, and
/// more. It bounds how many there are.
const ENTRY_BYTES: usize = 64;

/// One connection's bounded queue, with one reader.
///
/// A snapshot is not queued but looked up when the reader comes to it, so it is as new as
/// can be and costs nothing while it waits. That makes falling behind harmless: where the
/// bound is reached, all queued changes of a group give way to one snapshot of it, and no
/// truth is lost. Only then the oldest messages of the application are dropped, and counted.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// Locked under a group's lock; nothing is locked under it.
    state: Mutex<State>,
    limit: usize,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Entry>,
    /// What the entries of `queue` cost.
    cost: usize,
    /// The groups whose next news is a snapshot: until it is taken their changes need not be
    /// queued, for it will hold them.
    stale: Vec<GroupName>,
    /// Messages dropped of which the reader has not been told.
    missed: u64,
    /// How often the reader has taken something.
    taken: u64,
    end: Option<End>,
    /// The reader, where it waits.
    reader: Option<Waker>,
}

#[derive(Debug)]
enum Entry {
    /// Must arrive: an answer, or news of the connection itself.
    Control(Frames),
    /// A message of the application.
    Message(Frames),
    /// Changes of a group.
    Delta(GroupName, Frames),
    /// The place of a group's snapshot, where the group is stale.
    Snapshot(GroupName),
}

/// What the reader is to write next.
#[derive(Debug)]
pub(crate) enum Next {
    Frames(Frames),
    /// A snapshot of this group, which the group has to be asked for.
    Snapshot(GroupName),
    /// So many messages were dropped at this place.
    Missed(u64),
}

/// Why a connection ends from this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Answers to its own requests fill its outbox, and it does not read them.
    Overflow,
    /// The application has sent the user away.
    Disconnected,
    /// Another identity than the connection's has shown its token.
    IdentityChanged,
    /// Nothing has been taken from it, or heard of its client, for too long.
    Lost,
    /// The server is going down.
    Draining,
}

impl Outbox {
    /// An empty outbox that holds up to `limit` bytes.
    pub(crate) fn new(limit: usize, counters: Arc<Counters>) -> Self {
        Self { state: Mutex::default(), limit, counters }
    }

    /// Queues what must arrive.
    pub(crate) fn push_control(&self, frames: Frames) {
        self.push(Entry::Control(frames));
    }

    /// Queues a message of the application.
    pub(crate) fn push_message(&self, frames: Frames) {
        self.push(Entry::Message(frames));
    }

    /// Queues changes of a group, under that group's lock.
    pub(crate) fn push_delta(&self, group: &GroupName, frames: &Frames) {
        let mut state = self.state.lock();
        if !state.stale.contains(group) {
            self.queue(&mut state, Entry::Delta(group.clone(), frames.clone()));
        }
    }

    /// The next news of a group is to be a snapshot. Said under that group's lock.
    pub(crate) fn want_snapshot(&self, group: &GroupName) {
        let mut state = self.state.lock();
        if !state.stale.contains(group) {
            state.stale.push(group.clone());
            self.queue(&mut state, Entry::Snapshot(group.clone()));
        }
    }

    /// Under a group's lock: whether its snapshot is due, which whoever asks will now write.
    pub(crate) fn take_stale(&self, group: &GroupName) -> bool {
        self.state.lock().freshen(group)
    }

    /// The connection is in this group no longer; nothing more of it is written.
    pub(crate) fn forget(&self, group: &GroupName) {
        let mut state = self.state.lock();
        state.freshen(group);
        state.retain(|entry| match entry {
            Entry::Delta(of, _) | Entry::Snapshot(of) => of != group,
            Entry::Control(_) | Entry::Message(_) => true,
        });
    }

    fn push(&self, entry: Entry) {
        self.queue(&mut self.state.lock(), entry);
    }

    fn queue(&self, state: &mut State, entry: Entry) {
        if state.end.is_some() {
            return;
        }
        state.cost += entry.cost();
        state.queue.push_back(entry);
        if state.cost > self.limit {
            self.counters.resyncs.add(state.collapse());
            let missed = state.drop_messages(self.limit);
            self.counters.missed.add(missed);
            state.missed += missed;
        }
        if state.cost > self.limit {
            state.clear();
            state.end = Some(End::Overflow);
        }
        state.wake();
    }

    /// Whether the connection is to end, or is over.
    pub(crate) fn has_ended(&self) -> bool {
        self.state.lock().end.is_some()
    }

    /// While something waits, how often the reader has taken something so far.
    pub(crate) fn progress(&self) -> Option<u64> {
        let state = self.state.lock();
        (!state.queue.is_empty()).then_some(state.taken)
    }

    /// Ends the connection at once: what is queued is dropped.
    pub(crate) fn abandon(&self, end: End) {
        self.state.lock().clear();
        self.close(end);
    }

    /// Ends the connection once what is queued has been written.
    pub(crate) fn close(&self, end: End) {
        let mut state = self.state.lock();
        state.end.get_or_insert(end);
        state.wake();
    }

    /// What to write next, or why there will be nothing more.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Result<Next, End>> {
        let mut state = self.state.lock();
        if let Some(next) = state.take() {
            return Poll::Ready(Ok(next));
        }
        if let Some(end) = state.end {
            return Poll::Ready(Err(end));
        }
        if !state.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            state.reader = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Entry {
    fn cost(&self) -> usize {
        ENTRY_BYTES
            + match self {
                Self::Control(frames) | Self::Message(frames) | Self::Delta(_, frames) => {
                    frames.bytes()
                }
                Self::Snapshot(_) => 0,
            }
    }
}

impl State {
    fn take(&mut self) -> Option<Next> {
        // What was dropped was older than what is here.
        if self.missed > 0 {
            return Some(Next::Missed(std::mem::take(&mut self.missed)));
        }
        let entry = self.queue.pop_front()?;
        self.cost -= entry.cost();
        self.taken += 1;
        if self.queue.is_empty() {
            // An idle connection keeps no buffer.
            self.queue = VecDeque::new();
        }
        Some(match entry {
            Entry::Control(frames) | Entry::Message(frames) | Entry::Delta(_, frames) => {
                Next::Frames(frames)
            }
            Entry::Snapshot(group) => Next::Snapshot(group),
        })
    }

    /// Says whether the group was stale.
    fn freshen(&mut self, group: &GroupName) -> bool {
        let Some(at) = self.stale.iter().position(|other| other == group) else {
            return false;
        };
        self.stale.swap_remove(at);
        if self.stale.is_empty() {
            self.stale = Vec::new();
        }
        true
    }

    /// Puts a snapshot in the place of all changes of each group. Gives how many groups had
    /// some.
    fn collapse(&mut self) -> u64 {
        let (mut behind, stale): (Vec<GroupName>, _) = (Vec::new(), self.stale.clone());
        self.retain(|entry| {
            let Entry::Delta(group, _) = entry else {
                return true;
            };
            // A snapshot that was asked for once more has its place already.
            if !behind.contains(group) && !stale.contains(group) {
                behind.push(group.clone());
            }
            false
        });
        for group in &behind {
            let place = Entry::Snapshot(group.clone());
            self.cost += place.cost();
            self.queue.push_back(place);
        }
        let groups = behind.len() as u64;
        self.stale.append(&mut behind);
        groups
    }

    /// Drops the oldest messages until the rest fits. Gives how many.
    fn drop_messages(&mut self, limit: usize) -> u64 {
        let mut dropped = 0;
        while self.cost > limit
            && let Some(at) = self.queue.iter().position(|e| matches!(e, Entry::Message(_)))
            && let Some(message) = self.queue.remove(at)
        {
            self.cost -= message.cost();
            dropped += 1;
        }
        dropped
    }

    fn retain(&mut self, mut keep: impl FnMut(&Entry) -> bool) {
        let cost = &mut self.cost;
        self.queue.retain(|entry| {
            let kept = keep(entry);
            if !kept {
                *cost -= entry.cost();
            }
            kept
        });
    }

    fn clear(&mut self) {
        (self.queue, self.stale) = (VecDeque::new(), Vec::new());
        (self.cost, self.missed) = (0, 0);
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

#[cfg(test)]
mod tests;
