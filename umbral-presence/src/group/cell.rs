//! A group as it stands in the hub's map.

use std::{fmt, sync::Arc};

use super::{state::State, subscribers::Subscriber, watchers::WatchQueue};
use crate::{
    connection::{DueSnapshot, Outbox, Reader, Source},
    figures::Tally,
    limits::Limits,
    name::GroupName,
    spec::PresenceSpec,
    store::Roster,
    sync::{Mutex, MutexGuard},
    wakes::Wakes,
    wire::{Dialect, Encoded, Frames, Snapshot},
};

/// A group and its lock, which is held for a moment only: everything under it is synchronous.
pub(crate) struct GroupCell {
    pub(crate) name: GroupName,
    /// `None` where no spec owns the group: then it has subscribers and no presence.
    pub(crate) spec: Option<Arc<PresenceSpec>>,
    state: Mutex<State>,
    /// Held while a message is queued for all subscribers. It is locked before `state`.
    sending: Mutex<Sending>,
}

/// Nothing: its lock puts the messages of a group in one order for all subscribers.
#[derive(Debug, Default)]
struct Sending;

impl GroupCell {
    pub(crate) fn new(
        name: GroupName,
        spec: Option<Arc<PresenceSpec>>,
        roster: Roster,
        limits: &Limits,
    ) -> Self {
        let tally = Tally::of(spec.as_ref().map(|spec| &spec.figures));
        Self {
            name,
            state: Mutex::new(State::new(roster, tally, limits)),
            spec,
            sending: Mutex::default(),
        }
    }

    /// The group, unless it has been taken off the map.
    pub(crate) fn lock(&self) -> Option<MutexGuard<'_, State>> {
        let state = self.state.lock();
        (!state.retired).then_some(state)
    }

    /// The group, though it may have been taken off the map.
    pub(crate) fn lock_always(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// A subscriber to be: the reader with a feed of this group, which has nothing for it yet.
    pub(crate) fn open_feed(self: &Arc<Self>, reader: &Arc<Reader>) -> Subscriber {
        Subscriber { reader: reader.clone(), feed: reader.outbox.open(self.clone()) }
    }

    /// Queues a message for every subscriber there is now.
    pub(crate) fn send(&self, encode: impl Fn(Dialect) -> Frames, wakes: &mut Wakes) {
        let _sending = self.sending.lock();
        let audience = self.state.lock().subscribers.audience();
        let message = Encoded::default();
        for subscriber in audience.iter() {
            let reader = &subscriber.reader;
            let frames = message.get(reader.dialect, &encode).clone();
            wakes.add(reader.outbox.push_group_message(subscriber.feed, frames));
        }
    }

    /// The members as subscribers have been told.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.state.lock().snapshot(&self.name)
    }

    /// The members as has been told, from which the changes go on that a watcher gets.
    pub(crate) fn resync_watcher(&self, watcher: &WatchQueue) -> Arc<Snapshot> {
        let mut state = self.state.lock();
        watcher.resynced();
        state.snapshot(&self.name)
    }
}

impl Source for GroupCell {
    fn take_due(&self, outbox: &Outbox, place: &DueSnapshot) -> Option<Arc<Snapshot>> {
        let mut state = self.state.lock();
        outbox.take_due(place, state.roster.view.version()).then(|| state.snapshot(&self.name))
    }
}

/// Without a look inside, which would lock it.
impl fmt::Debug for GroupCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupCell").finish_non_exhaustive()
    }
}
