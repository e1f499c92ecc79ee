//! What waits to be written to one connection.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use indexmap::IndexSet;

use crate::{counters::Counters, frame::Frames, group::GroupName, sync::Mutex};

/// What a queued entry costs besides its bytes, so that there is a bound on how many there
/// are, too.
pub(crate) const ENTRY_BYTES: usize = 64;

/// One connection's bounded queue, with one reader.
///
/// A snapshot is not queued. It is *due* from when it is wanted until the reader comes to its
/// place in the queue and takes it, under the group's lock: so it is as new as can be, and
/// costs nothing while it waits. Changes of a group whose snapshot is due need not be queued,
/// for it will hold them. Each place has a number, so that one of an earlier time in the
/// group, which the reader may have in its hands when the group is left and joined again,
/// counts for nothing.
///
/// That makes falling behind harmless: where the bound is reached, all queued changes of a
/// group give way to one snapshot of it, and no truth is lost. Only then the oldest messages
/// of the application are dropped, and counted.
pub(crate) struct Outbox {
    /// Locked under a group's lock; nothing is locked under it.
    state: Mutex<State>,
    limit: usize,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Entry>,
    /// What the entries of `queue` cost.
    cost: usize,
    /// How many of them are changes of groups.
    deltas: usize,
    /// The snapshots that are due: the number of each group's place.
    due: HashMap<GroupName, u64>,
    /// The number of the last place.
    places: u64,
    /// Messages dropped of which the reader has not been told.
    missed: u64,
    /// How often the reader has taken something.
    taken: u64,
    end: Option<End>,
    /// The end has come at once: whatever the transport is doing, it is to stop.
    is_cut: bool,
    /// The reader, where it waits.
    reader: Option<Waker>,
}

enum Entry {
    /// Must arrive: an answer, or news of the connection itself.
    Control(Frames),
    /// A message of the application.
    Message(Frames),
    /// Changes of a group.
    Delta(GroupName, Frames),
    Snapshot(Place),
}

/// Where a group's snapshot is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) group: GroupName,
    number: u64,
}

/// What the reader is to write next.
#[derive(Debug)]
pub(crate) enum Next {
    Frames(Frames),
    /// A snapshot, if it is still due; the group has to be asked for it.
    Snapshot(Place),
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

impl End {
    /// Why a connection is closed, for whoever looks into it.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Overflow => "answers to it fill its outbox, and it does not read them",
            Self::Disconnected => "the application has sent the user away",
            Self::IdentityChanged => "another identity has shown its token",
            Self::Lost => "nothing was taken from it, or heard of its client, for too long",
            Self::Draining => "the server is going down",
        }
    }
}

impl Outbox {
    /// An empty outbox that holds up to `limit` bytes.
    pub(crate) fn new(limit: usize, counters: Arc<Counters>) -> Self {
        Self { state: Mutex::default(), limit, counters }
    }

    /// Queues what must arrive. Like all that changes the queue, it gives the reader where one
    /// waits, to be woken when no lock is held.
    pub(crate) fn push_control(&self, frames: Frames) -> Option<Waker> {
        self.push(Entry::Control(frames))
    }

    /// Queues a message of the application.
    pub(crate) fn push_message(&self, frames: Frames) -> Option<Waker> {
        self.push(Entry::Message(frames))
    }

    /// Queues changes of a group, under that group's lock.
    pub(crate) fn push_delta(&self, group: &GroupName, frames: &Frames) -> Option<Waker> {
        let mut state = self.state.lock();
        if state.is_due(group) {
            return None;
        }
        self.queue(&mut state, Entry::Delta(group.clone(), frames.clone()))
    }

    /// Makes a group's snapshot due, under that group's lock.
    pub(crate) fn want_snapshot(&self, group: &GroupName) -> Option<Waker> {
        let mut state = self.state.lock();
        if state.is_due(group) {
            return None;
        }
        let entry = state.make_due(group.clone());
        self.queue(&mut state, entry)
    }

    /// Under the group's lock: whether the snapshot of this place is due. Whoever asks will
    /// write it.
    pub(crate) fn take_due(&self, place: &Place) -> bool {
        let mut state = self.state.lock();
        let is_due = state.due.get(&place.group) == Some(&place.number);
        if is_due {
            state.drop_due(&place.group);
        }
        is_due
    }

    /// The connection is in this group no longer; nothing more of it is written.
    pub(crate) fn forget(&self, group: &GroupName) {
        let mut state = self.state.lock();
        state.drop_due(group);
        state.retain(|entry| match entry {
            Entry::Delta(of, _) => of != group,
            Entry::Snapshot(place) => place.group != *group,
            Entry::Control(_) | Entry::Message(_) => true,
        });
    }

    fn push(&self, entry: Entry) -> Option<Waker> {
        self.queue(&mut self.state.lock(), entry)
    }

    fn queue(&self, state: &mut State, entry: Entry) -> Option<Waker> {
        if state.end.is_some() {
            return None;
        }
        if matches!(entry, Entry::Message(_)) && entry.cost() > self.limit {
            // It would have everything else dropped, and not fit all the same.
            state.missed += 1;
            self.counters.missed.add(1);
            return state.reader.take();
        }
        state.cost += entry.cost();
        state.deltas += usize::from(entry.is_delta());
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
        state.reader.take()
    }

    /// Why the connection ends from this side, if it does.
    pub(crate) fn ended(&self) -> Option<End> {
        self.state.lock().end
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

    /// Ends the connection at once: what is queued is dropped, and what is under way is cut.
    pub(crate) fn end_now(&self, end: End) -> Option<Waker> {
        let mut state = self.state.lock();
        state.clear();
        state.end.get_or_insert(end);
        state.is_cut = true;
        state.reader.take()
    }

    /// Ends the connection once what is queued has been written.
    pub(crate) fn end(&self, end: End) -> Option<Waker> {
        let mut state = self.state.lock();
        state.end.get_or_insert(end);
        state.reader.take()
    }

    /// Whether the connection has been ended at once, for a reader that cannot take anything
    /// now; woken when it is.
    pub(crate) fn poll_cut(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.is_cut {
            return Poll::Ready(());
        }
        state.wait(cx);
        Poll::Pending
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
        state.wait(cx);
        Poll::Pending
    }
}

impl Entry {
    fn is_delta(&self) -> bool {
        matches!(self, Self::Delta(..))
    }

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
        // Of the messages, those that were dropped are the oldest.
        if self.missed > 0 {
            return Some(Next::Missed(std::mem::take(&mut self.missed)));
        }
        let entry = self.queue.pop_front()?;
        self.cost -= entry.cost();
        self.deltas -= usize::from(entry.is_delta());
        self.taken += 1;
        if self.queue.is_empty() {
            // An idle connection keeps no buffer.
            self.queue = VecDeque::new();
        }
        Some(match entry {
            Entry::Control(frames) | Entry::Message(frames) | Entry::Delta(_, frames) => {
                Next::Frames(frames)
            }
            Entry::Snapshot(place) => Next::Snapshot(place),
        })
    }

    fn is_due(&self, group: &GroupName) -> bool {
        self.due.contains_key(group)
    }

    /// Gives the place, which is to be queued.
    fn make_due(&mut self, group: GroupName) -> Entry {
        self.places += 1;
        let place = Place { group, number: self.places };
        self.due.insert(place.group.clone(), place.number);
        Entry::Snapshot(place)
    }

    fn drop_due(&mut self, group: &GroupName) {
        self.due.remove(group);
        if self.due.is_empty() {
            // An idle connection keeps no table.
            self.due = HashMap::new();
        }
    }

    /// Puts a snapshot in the place of all changes of each group. Gives how many groups had
    /// some.
    fn collapse(&mut self) -> u64 {
        if self.deltas == 0 {
            return 0;
        }
        let mut behind: IndexSet<GroupName> = IndexSet::new();
        self.retain(|entry| {
            let Entry::Delta(group, _) = entry else {
                return true;
            };
            behind.insert(group.clone());
            false
        });
        let groups = behind.len() as u64;
        for group in behind {
            // One that was wanted behind these changes has its place already.
            if !self.is_due(&group) {
                let place = self.make_due(group);
                self.cost += place.cost();
                self.queue.push_back(place);
            }
        }
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
        let (cost, deltas) = (&mut self.cost, &mut self.deltas);
        self.queue.retain(|entry| {
            let kept = keep(entry);
            if !kept {
                *cost -= entry.cost();
                *deltas -= usize::from(entry.is_delta());
            }
            kept
        });
    }

    fn clear(&mut self) {
        (self.queue, self.due) = (VecDeque::new(), HashMap::new());
        (self.cost, self.deltas, self.missed) = (0, 0, 0);
    }

    fn wait(&mut self, cx: &mut Context<'_>) {
        if !self.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            self.reader = Some(cx.waker().clone());
        }
    }
}

/// What waits is the user's, and never reaches a log.
impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("limit", &self.limit).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
