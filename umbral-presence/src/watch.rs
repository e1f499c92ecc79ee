//! Watching a group from inside the application.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures_core::Stream;
use parking_lot::Mutex;

use crate::{
    hub::{GroupCell, Hub},
    roster::{Change, Member, Roster},
};

/// How many transitions wait for a watcher before they collapse into one `Sync`.
const CAPACITY: usize = 1024;

/// What happened in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transition {
    /// Everybody who is present. Comes first, and again in the place of transitions that a
    /// slow watcher has missed.
    Sync(Vec<Member>),
    /// A user became present.
    Join(Member),
    /// A user fully left.
    Leave(Member),
    /// A member is shown in another way, after [`Presence::refresh`](crate::Presence::refresh).
    Update(Member),
}

/// The transitions of one group, as [`Presence::watch`](crate::Presence::watch) gives
/// them. It never ends by itself; dropping it stops the watching.
#[derive(Debug)]
pub struct Watch {
    hub: Arc<Hub>,
    cell: Arc<GroupCell>,
    queue: Arc<WatchQueue>,
}

impl Watch {
    pub(crate) fn new(hub: Arc<Hub>, group: &crate::GroupName) -> Self {
        let queue = Arc::default();
        let cell = hub.watch(group, &queue);
        Self { hub, cell, queue }
    }
}

impl Stream for Watch {
    type Item = Transition;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Transition>> {
        self.queue.poll_next(cx).map(Some)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.hub.unwatch(&self.cell, &self.queue);
    }
}

/// What waits for one watcher: at most [`CAPACITY`] transitions.
#[derive(Default)]
pub(crate) struct WatchQueue {
    /// Locked under the group's lock; nothing is locked under it.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Transition>,
    reader: Option<Waker>,
}

/// Without a look inside, which would lock it.
impl fmt::Debug for WatchQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchQueue").finish_non_exhaustive()
    }
}

impl WatchQueue {
    /// Has the watcher begin anew with the members of now.
    pub(crate) fn sync(&self, roster: &Roster) {
        let mut state = self.state.lock();
        state.queue.clear();
        state.queue.push_back(Transition::Sync(roster.members()));
        state.wake();
    }

    /// Queues changes, after which the group is as `roster` says.
    pub(crate) fn push(&self, changes: &[Change], roster: &Roster) {
        let mut state = self.state.lock();
        if state.queue.len() + changes.len() > CAPACITY {
            drop(state);
            return self.sync(roster);
        }
        state.queue.extend(changes.iter().map(|change| match change {
            Change::Joined(member) => Transition::Join(member.clone()),
            Change::Left(member) => Transition::Leave(member.clone()),
            Change::Updated(member) => Transition::Update(member.clone()),
        }));
        state.wake();
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Transition> {
        let mut state = self.state.lock();
        match state.queue.pop_front() {
            Some(transition) => Poll::Ready(transition),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}
