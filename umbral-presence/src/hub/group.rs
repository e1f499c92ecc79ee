//! One group: who is in it, and who is told. What is here runs under the group's lock.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use indexmap::IndexMap;

use crate::{
    connection::{Connection, ConnectionId},
    frame::{Dialect, Encoded, Encoder},
    group::GroupName,
    roster::{Answer, Farewell, Roster},
    spec::PresenceSpec,
    watch::WatchQueue,
};

/// Changes that follow one another within this time share one flush.
const TICK: Duration = Duration::from_millis(25);

/// A tick lasts at least this many times what the last flush cost, so that telling never
/// takes more than a fifth of the time, however many are told.
const FLUSH_SHARE: u32 = 4;

/// The state of one group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: GroupName,
    /// `None` where no spec owns the group: then it has subscribers and no presence.
    pub(crate) spec: Option<Arc<PresenceSpec>>,
    pub(crate) roster: Roster,
    subscribers: IndexMap<ConnectionId, Subscriber>,
    /// Subscribers whose snapshot comes with the next flush.
    newcomers: Vec<ConnectionId>,
    watchers: Vec<Arc<WatchQueue>>,
    /// Before this no flush, unless the group has been quiet.
    flush_after: Option<Instant>,
    /// When the group is to be woken; a later wake-up is not asked for then.
    pub(crate) alarm: Option<Instant>,
    /// The group has been taken off the hub's map: look it up again.
    pub(crate) retired: bool,
}

#[derive(Debug)]
struct Subscriber {
    connection: Arc<Connection>,
    /// Has its snapshot, so that deltas make sense to it.
    synced: bool,
}

impl Group {
    pub(crate) fn new(name: GroupName, spec: Option<Arc<PresenceSpec>>) -> Self {
        Self {
            name,
            spec,
            roster: Roster::default(),
            subscribers: IndexMap::new(),
            newcomers: Vec::new(),
            watchers: Vec::new(),
            flush_after: None,
            alarm: None,
            retired: false,
        }
    }

    /// Adds a subscriber, and its user where it has one, to be shown as `answer` says if not
    /// shown yet. Says whether the user is new here.
    pub(crate) fn subscribe(
        &mut self,
        connection: &Arc<Connection>,
        answer: Option<Answer>,
    ) -> bool {
        let has_presence = self.spec.is_some();
        self.subscribers.insert(
            connection.id,
            Subscriber { connection: connection.clone(), synced: !has_presence },
        );
        if !has_presence {
            return false;
        }
        self.newcomers.push(connection.id);
        let Some(user) = &connection.user else {
            return false;
        };
        let newly_seated = self.roster.join(connection.id, user);
        if let Some(answer) = answer {
            self.roster.show(user, answer);
        }
        newly_seated
    }

    /// Removes a subscriber. Says whether its user has lost the place.
    pub(crate) fn unsubscribe(
        &mut self,
        connection: &Connection,
        goodbye: bool,
        now: Instant,
    ) -> bool {
        self.subscribers.swap_remove(&connection.id);
        self.newcomers.retain(|&id| id != connection.id);
        let (Some(user), Some(spec)) = (&connection.user, &self.spec) else {
            return false;
        };
        let farewell =
            if goodbye { Farewell::Goodbye } else { Farewell::Lost { until: now + spec.grace } };
        self.roster.leave(connection.id, user, farewell, now)
    }

    /// Adds a watcher inside the application; it begins with the members of now.
    pub(crate) fn watch(&mut self, watcher: Arc<WatchQueue>, now: Instant, encoder: &Encoder) {
        if self.is_dirty() {
            self.begin_tick(now, encoder);
        }
        watcher.sync(&self.roster);
        self.watchers.push(watcher);
    }

    pub(crate) fn unwatch(&mut self, watcher: &Arc<WatchQueue>) {
        self.watchers.retain(|other| !Arc::ptr_eq(other, watcher));
    }

    /// Queues a message for every subscriber.
    pub(crate) fn send(&self, message: &Encoded, encode: impl Fn(Dialect) -> Vec<Bytes>) {
        for subscriber in self.subscribers.values() {
            let connection = &subscriber.connection;
            connection.outbox.push(message.get(connection.dialect, &encode));
        }
    }

    /// Tells what has changed: at once in a quiet group, else when the tick is over.
    pub(crate) fn settle(&mut self, now: Instant, encoder: &Encoder) {
        if !self.is_dirty() || self.flush_after.is_some_and(|after| now < after) {
            return;
        }
        self.begin_tick(now, encoder);
    }

    /// Tells what has changed; what changes from now on waits for the end of the tick.
    fn begin_tick(&mut self, now: Instant, encoder: &Encoder) {
        let started = Instant::now();
        self.flush(encoder);
        self.flush_after = Some(now + TICK.max(started.elapsed() * FLUSH_SHARE));
    }

    /// When there will be something to do without anybody's asking.
    pub(crate) fn next_wake(&self) -> Option<Instant> {
        let flush = self.flush_after.filter(|_| self.is_dirty());
        flush.into_iter().chain(self.roster.deadline()).min()
    }

    fn is_dirty(&self) -> bool {
        self.roster.has_changes() || !self.newcomers.is_empty()
    }

    /// First the changes, to those who know what was before; then the snapshot that holds
    /// them, to those who do not. Both are queued under the group's lock, so every
    /// connection sees one order.
    fn flush(&mut self, encoder: &Encoder) {
        let changes = self.roster.take_changes();
        let version = self.roster.version();
        if !changes.is_empty() {
            let delta = Encoded::default();
            for subscriber in self.subscribers.values().filter(|s| s.synced) {
                let connection = &subscriber.connection;
                connection.outbox.push(delta.get(connection.dialect, |dialect| {
                    encoder.delta(dialect, &self.name, &changes, version)
                }));
            }
            for watcher in &self.watchers {
                watcher.push(&changes, &self.roster);
            }
        }
        if self.newcomers.is_empty() {
            return;
        }
        let (members, snapshot) = (self.roster.members(), Encoded::default());
        for id in self.newcomers.drain(..) {
            if let Some(subscriber) = self.subscribers.get_mut(&id) {
                let connection = &subscriber.connection;
                let frames = snapshot.get(connection.dialect, |dialect| {
                    encoder.snapshot(dialect, &self.name, &members, version)
                });
                connection.outbox.push_snapshot(&self.name, frames);
                subscriber.synced = true;
            }
        }
    }

    /// Whether nothing would be lost without this group.
    pub(crate) fn is_idle(&self) -> bool {
        self.subscribers.is_empty() && self.watchers.is_empty() && self.roster.is_empty()
    }
}
