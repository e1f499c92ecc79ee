//! Those who watch a group from inside the application.

use std::{
    collections::VecDeque,
    fmt,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

use crate::{
    roster::{Change, Member},
    wire::Snapshot,
};

/// How many transitions wait for a watcher before they collapse into one `Sync`.
const CAPACITY: usize = 1024;

/// A change in a group, as [`Presence::watch`](crate::Presence::watch) tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transition {
    /// All members, in the order in which this node saw them come. All watchers share the list. It comes first,
    /// and again instead of the transitions that a slow watcher has missed.
    Sync(Arc<[Member]>),
    /// A user became present.
    Join(Member),
    /// A user left, with the last connection.
    Leave(Member),
    /// A member has a new payload, after [`Presence::refresh`](crate::Presence::refresh).
    Update(Member),
}

/// What waits for one watcher: at most [`CAPACITY`] transitions.
#[derive(Default)]
pub(crate) struct WatchQueue {
    /// Locked under the group's lock; nothing is locked under it.
    backlog: Mutex<Backlog>,
}

#[derive(Default)]
struct Backlog {
    /// What comes before the queue.
    first: Beginning,
    queue: VecDeque<Transition>,
    reader: Option<Waker>,
}

/// What a watcher is given before the transitions that wait.
#[derive(Default)]
enum Beginning {
    /// The members of when the watching began.
    Sync(Arc<Snapshot>),
    /// The watcher has fallen behind: the members of when it asks.
    Resync,
    #[default]
    Nothing,
}

/// Without a look inside, which would lock it.
impl fmt::Debug for WatchQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchQueue").finish_non_exhaustive()
    }
}

impl WatchQueue {
    /// Begins with these members, under the group's lock. Gives the watcher where it waits
    /// already, to be woken when no lock is held.
    pub(crate) fn begin(&self, snapshot: Arc<Snapshot>) -> Option<Waker> {
        let mut backlog = self.backlog.lock();
        backlog.first = Beginning::Sync(snapshot);
        backlog.reader.take()
    }

    /// Queues changes, under the group's lock. Gives the watcher where it waits, to be woken
    /// when no lock is held.
    pub(crate) fn push(&self, changes: &[Change]) -> Option<Waker> {
        let mut backlog = self.backlog.lock();
        if matches!(backlog.first, Beginning::Resync) {
            // The snapshot will hold them.
        } else if backlog.queue.len() + changes.len() > CAPACITY {
            backlog.queue = VecDeque::new();
            backlog.first = Beginning::Resync;
        } else {
            backlog.queue.extend(changes.iter().map(Transition::from));
        }
        backlog.reader.take()
    }

    /// Under the group's lock: the watcher is given the members of now.
    pub(crate) fn resynced(&self) {
        self.backlog.lock().first = Beginning::Nothing;
    }

    /// The next transition, or `None` where the members of now come next.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Transition>> {
        let mut backlog = self.backlog.lock();
        match std::mem::take(&mut backlog.first) {
            Beginning::Sync(snapshot) => {
                drop(backlog);
                return Poll::Ready(Some(Transition::Sync(snapshot.members().clone())));
            }
            Beginning::Resync => {
                backlog.first = Beginning::Resync;
                return Poll::Ready(None);
            }
            Beginning::Nothing => {}
        }
        if let Some(transition) = backlog.queue.pop_front() {
            return Poll::Ready(Some(transition));
        }
        backlog.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl From<&Change> for Transition {
    fn from(change: &Change) -> Self {
        match change {
            Change::Joined(member) => Self::Join(member.clone()),
            Change::Left(member) => Self::Leave(member.clone()),
            Change::Updated(member) => Self::Update(member.clone()),
        }
    }
}
