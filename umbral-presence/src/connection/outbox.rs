//! What waits to be written to one connection.

mod queue;

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use smallvec::SmallVec;

pub(crate) use self::queue::FeedId;
use self::queue::{Entry, Queue};
use crate::{
    counters::Counters,
    sync::Mutex,
    wire::{Frames, Snapshot},
};

/// One connection's bounded queue, with one reader.
///
/// A connection has a *feed* for each of its groups. When a feed is closed, what is queued for it
/// is dropped. Nothing is queued for a closed feed, even if somebody still holds its id.
///
/// A snapshot is not queued. It is *due* from when it is wanted until the reader comes to its
/// place in the queue and takes it, under the group's lock: so it is as new as can be, and
/// costs nothing while it waits. Changes of a group whose snapshot is due are not queued, since
/// the snapshot will hold them. Each place has a number: the reader may hold a place that counts
/// no more, and the number tells it from a newer one.
///
/// ```text
/// open ─▶ new ─ want ─▶ due ─ take at version n ─▶ at n ─ delta n → m ─▶ at m
///          │             ▲                          │        (one that ends before n is
///   deltas are not for it└── want, or an overflow ──┘         in the snapshot already)
/// ```
///
/// That makes falling behind harmless: when the bound is reached, one snapshot of a group takes the
/// place of all its queued changes, and no truth is lost. Only if that is not enough, the oldest
/// messages of the application are dropped, and counted.
pub(crate) struct Outbox {
    /// Locked under a group's lock; nothing is locked under it.
    state: Mutex<Contents>,
    limit: usize,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Contents {
    queue: Queue,
    /// By slot; `None` where a feed has been closed.
    feeds: SmallVec<[Option<Feed>; 1]>,
    /// How many of the slots are free.
    free: usize,
    /// The number of the last feed or place.
    last: u64,
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

/// What a connection gets of one group.
struct Feed {
    number: u64,
    source: Arc<dyn Source>,
    at: At,
}

/// What the reader of a feed knows, once it has read what is queued.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// Nothing: it gets a snapshot later.
    New,
    /// The snapshot whose place has this number is due.
    Due(u64),
    /// The members at this version.
    Version(u64),
}

/// Where the snapshots of a feed come from: its group.
pub(crate) trait Source: Send + Sync {
    /// The snapshot of this place, if it is still due there.
    fn take_due(&self, outbox: &Outbox, place: &DueSnapshot) -> Option<Arc<Snapshot>>;
}

/// Where a group's snapshot is to be written.
#[derive(Clone)]
pub(crate) struct DueSnapshot {
    source: Arc<dyn Source>,
    feed: FeedId,
    number: u64,
}

impl DueSnapshot {
    /// The snapshot, if it is still due.
    pub(crate) fn snapshot(&self, outbox: &Outbox) -> Option<Arc<Snapshot>> {
        self.source.take_due(outbox, self)
    }
}

impl fmt::Debug for DueSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DueSnapshot({:?}, {})", self.feed, self.number)
    }
}

/// What the reader is to write next.
#[derive(Debug)]
pub(crate) enum Next {
    Frames(Frames),
    /// A snapshot, if it is still due; its place has to be asked for it.
    Snapshot(DueSnapshot),
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
    /// The user's sign-in has run out.
    Expired,
    /// Nothing has been taken from it, or heard of its client, for too long.
    Lost,
    /// The server is going down.
    Draining,
}

impl End {
    /// Why a connection is closed, for the log and for the close frame.
    pub(crate) fn in_words(self) -> &'static str {
        match self {
            Self::Overflow => "answers to it fill its outbox, and it does not read them",
            Self::Disconnected => "the application has sent the user away",
            Self::IdentityChanged => "another identity has shown its token",
            Self::Expired => "its user's sign-in has run out",
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

    /// Queues a message to everybody in a group.
    pub(crate) fn push_group_message(&self, feed: FeedId, frames: Frames) -> Option<Waker> {
        let mut state = self.state.lock();
        state.feed(feed)?;
        self.queue(&mut state, Entry::Message(frames))
    }

    /// Makes a feed of a group. Nothing of the group's presence is for it before a snapshot is
    /// wanted.
    pub(crate) fn open(&self, source: Arc<dyn Source>) -> FeedId {
        let mut state = self.state.lock();
        state.last += 1;
        let number = state.last;
        let feed = Some(Feed { number, source, at: At::New });
        let free =
            if state.free == 0 { None } else { state.feeds.iter().position(Option::is_none) };
        let slot = free.unwrap_or(state.feeds.len());
        if free.is_some() {
            state.free -= 1;
            state.feeds[slot] = feed;
        } else {
            state.feeds.push(feed);
        }
        FeedId { slot: u32::try_from(slot).unwrap_or(u32::MAX), number }
    }

    /// Queues the changes that lead from one version of a group to another, for a reader who
    /// knows the former.
    pub(crate) fn push_delta(
        &self,
        id: FeedId,
        (from, to): (u64, u64),
        frames: &Frames,
    ) -> Option<Waker> {
        let mut state = self.state.lock();
        let feed = state.feed(id)?;
        match feed.at {
            At::Version(version) if version == from => feed.at = At::Version(to),
            // The snapshot that is to come will hold them, or one that was taken holds them.
            At::New | At::Due(_) | At::Version(_) => return None,
        }
        self.queue(&mut state, Entry::Delta(id, frames.clone()))
    }

    /// Makes a group's snapshot due.
    pub(crate) fn want_snapshot(&self, feed: FeedId) -> Option<Waker> {
        let mut state = self.state.lock();
        let entry = state.make_due(feed)?;
        self.queue(&mut state, entry)
    }

    /// Makes a group's snapshot due for a reader that has had one.
    pub(crate) fn resync(&self, feed: FeedId) -> Option<Waker> {
        let mut state = self.state.lock();
        if state.feed(feed)?.at == At::New {
            return None;
        }
        let entry = state.make_due(feed)?;
        self.queue(&mut state, entry)
    }

    /// Under the group's lock: whether the snapshot of this place is due. If it is, the caller
    /// writes the one of this version.
    pub(crate) fn take_due(&self, place: &DueSnapshot, version: u64) -> bool {
        let mut state = self.state.lock();
        let Some(feed) = state.feed(place.feed) else {
            return false;
        };
        let is_due = feed.at == At::Due(place.number);
        if is_due {
            feed.at = At::Version(version);
        }
        is_due
    }

    /// The connection has left the group of this feed; nothing more of it is written.
    pub(crate) fn close(&self, id: FeedId) {
        let mut state = self.state.lock();
        if state.feed(id).is_none() {
            return;
        }
        state.feeds[id.slot as usize] = None;
        state.free += 1;
        if state.free == state.feeds.len() {
            // A connection outside of all groups keeps no table.
            (state.feeds, state.free) = (SmallVec::new(), 0);
        }
        state.queue.drop_feed(id);
    }

    fn push(&self, entry: Entry) -> Option<Waker> {
        self.queue(&mut self.state.lock(), entry)
    }

    fn queue(&self, state: &mut Contents, entry: Entry) -> Option<Waker> {
        if state.end.is_some() {
            return None;
        }
        if matches!(entry, Entry::Message(_)) && entry.cost() > self.limit {
            // It would have everything else dropped, and not fit all the same.
            state.missed += 1;
            self.counters.missed.add(1);
            return state.reader.take();
        }
        state.queue.push(entry);
        if state.queue.cost() > self.limit {
            self.counters.resyncs.add(state.collapse());
            let missed = state.queue.drop_messages(self.limit);
            self.counters.missed.add(missed);
            state.missed += missed;
        }
        if state.queue.cost() > self.limit {
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

    /// Whether there is nothing to write, and no end.
    #[cfg(feature = "test")]
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.queue.is_empty() && state.missed == 0 && state.end.is_none()
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

    /// Whether the connection has been ended at once.
    pub(crate) fn is_cut(&self) -> bool {
        self.state.lock().is_cut
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

impl Contents {
    fn take(&mut self) -> Option<Next> {
        // Of the messages, those that were dropped are the oldest.
        if self.missed > 0 {
            return Some(Next::Missed(std::mem::take(&mut self.missed)));
        }
        loop {
            let entry = self.queue.pop()?;
            self.taken += 1;
            return Some(match entry {
                Entry::Control(frames) | Entry::Message(frames) | Entry::Delta(_, frames) => {
                    Next::Frames(frames)
                }
                Entry::Snapshot(feed, number) => {
                    let Some(source) = self.feed(feed).map(|feed| feed.source.clone()) else {
                        continue;
                    };
                    Next::Snapshot(DueSnapshot { source, feed, number })
                }
            });
        }
    }

    /// A feed, unless it has been closed.
    fn feed(&mut self, FeedId { slot, number }: FeedId) -> Option<&mut Feed> {
        self.feeds.get_mut(slot as usize)?.as_mut().filter(|feed| feed.number == number)
    }

    /// Gives the place of a snapshot, which is to be queued, unless one is due.
    fn make_due(&mut self, id: FeedId) -> Option<Entry> {
        let number = self.last + 1;
        let feed = self.feed(id)?;
        if matches!(feed.at, At::Due(_)) {
            return None;
        }
        feed.at = At::Due(number);
        self.last = number;
        Some(Entry::Snapshot(id, number))
    }

    /// Puts a snapshot in the place of all changes of each group. Gives how many groups had
    /// some.
    fn collapse(&mut self) -> u64 {
        let behind = self.queue.drop_deltas();
        let groups = behind.len() as u64;
        for feed in behind {
            // One that was wanted behind these changes has its place already.
            if let Some(place) = self.make_due(feed) {
                self.queue.push(place);
            }
        }
        groups
    }

    fn clear(&mut self) {
        (self.queue, self.missed) = (Queue::default(), 0);
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
