//! One group: who is in it, and who is told. What is here runs under the group's lock.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use indexmap::IndexMap;

use crate::{
    connection::{Connection, ConnectionId},
    counters::Counters,
    frame::{Dialect, Encoded, Encoder, Frames},
    group::GroupName,
    limits::Limits,
    outbox::Place,
    roster::{Farewell, Roster, Seated},
    snapshot::Snapshot,
    spec::PresenceSpec,
    user::UserId,
    wakes::Wakes,
    watch::WatchQueue,
};

/// A tick lasts at least this many times what the last flush cost, so that telling never
/// takes more than a fifth of the time, however many are told.
const FLUSH_SHARE: u32 = 4;

/// The longest that a tick grows by what telling costs. A flush that took longer was put aside
/// by the machine, or has so many to tell that it must be told in time all the same.
const MAX_GROWTH: Duration = Duration::from_millis(250);

/// How long a tick is to last by what the last two flushes have cost. The lesser of them counts,
/// since the machine may have put the other one aside.
fn growth(before: Duration, cost: Duration) -> Duration {
    (cost.min(before) * FLUSH_SHARE).min(MAX_GROWTH)
}

/// The state of one group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: GroupName,
    /// `None` where no spec owns the group: then it has subscribers and no presence.
    pub(crate) spec: Option<Arc<PresenceSpec>>,
    pub(crate) roster: Roster,
    subscribers: IndexMap<ConnectionId, Subscriber>,
    /// Subscribers who get a snapshot from the next flush on.
    newcomers: Vec<ConnectionId>,
    /// Subscribers whose own user a batch resolver is asked for, soonest deadline first. They
    /// get their snapshot when it holds them, or when they have waited long enough.
    waiting: VecDeque<Waiting>,
    /// How long they wait.
    patience: Duration,
    watchers: Vec<Arc<WatchQueue>>,
    /// The members at the roster's version, once somebody has asked for them.
    snapshot: Option<Arc<Snapshot>>,
    /// Changes that follow one another within this time share one flush.
    tick: Duration,
    /// What the last flush cost.
    last_cost: Duration,
    /// Before this no flush, unless the group has been quiet.
    flush_after: Option<Instant>,
    /// When the group is to be woken; a later wake-up is not asked for then.
    pub(crate) alarm: Option<Instant>,
    /// The group has been taken off the hub's map: look it up again.
    pub(crate) retired: bool,
}

#[derive(Debug)]
struct Waiting {
    connection: ConnectionId,
    user: UserId,
    until: Instant,
}

#[derive(Debug)]
struct Subscriber {
    connection: Arc<Connection>,
    /// Has its snapshot, or will take one that holds all that is told before; deltas are for
    /// it from then on.
    synced: bool,
}

/// What telling takes.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    pub(crate) encoder: Encoder,
    pub(crate) counters: Arc<Counters>,
}

impl Group {
    pub(crate) fn new(name: GroupName, spec: Option<Arc<PresenceSpec>>, limits: &Limits) -> Self {
        Self {
            name,
            spec,
            roster: Roster::default(),
            subscribers: IndexMap::new(),
            newcomers: Vec::new(),
            waiting: VecDeque::new(),
            patience: limits.resolver_timeout,
            watchers: Vec::new(),
            snapshot: None,
            tick: limits.tick,
            last_cost: Duration::ZERO,
            flush_after: None,
            alarm: None,
            retired: false,
        }
    }

    /// Adds a subscriber, and its user where it has one. Says what has come of it for the user;
    /// `None` where nobody is seated.
    pub(crate) fn subscribe(
        &mut self,
        connection: &Arc<Connection>,
        now: Instant,
    ) -> Option<Seated> {
        let subscriber = Subscriber { connection: connection.clone(), synced: self.spec.is_none() };
        self.subscribers.insert(connection.id, subscriber);
        let spec = self.spec.as_ref()?;
        let Some(user) = &connection.user else {
            self.newcomers.push(connection.id);
            return None;
        };
        let seated = self.roster.join(connection.id, user);
        if spec.resolver.is_batch() && self.roster.is_hidden(user) {
            let (connection, until) = (connection.id, now + self.patience);
            self.waiting.push_back(Waiting { connection, user: user.clone(), until });
        } else {
            self.newcomers.push(connection.id);
        }
        Some(seated)
    }

    /// Removes a subscriber. Without a goodbye its user keeps the place for the grace, and
    /// until `stays_until` where that is later. Says whether the user has lost the place.
    pub(crate) fn unsubscribe(
        &mut self,
        connection: &Connection,
        goodbye: bool,
        stays_until: Option<Instant>,
        now: Instant,
    ) -> bool {
        self.subscribers.swap_remove(&connection.id);
        self.newcomers.retain(|&id| id != connection.id);
        self.waiting.retain(|waiting| waiting.connection != connection.id);
        connection.outbox.forget(&self.name);
        let (Some(user), Some(spec)) = (&connection.user, &self.spec) else {
            return false;
        };
        let farewell = if goodbye {
            Farewell::Goodbye
        } else {
            let until = now + spec.grace;
            Farewell::Lost { until: stays_until.map_or(until, |stays| stays.max(until)) }
        };
        self.roster.leave(connection.id, user, farewell, now)
    }

    /// Adds a watcher inside the application; it begins with the members of now.
    pub(crate) fn watch(
        &mut self,
        watcher: Arc<WatchQueue>,
        now: Instant,
        teller: &Teller,
        wakes: &mut Wakes,
    ) {
        if self.is_dirty(now) {
            self.begin_tick(now, teller, wakes);
        }
        watcher.begin(self.snapshot());
        self.watchers.push(watcher);
    }

    pub(crate) fn unwatch(&mut self, watcher: &Arc<WatchQueue>) {
        self.watchers.retain(|other| !Arc::ptr_eq(other, watcher));
    }

    /// Queues a message for every subscriber.
    pub(crate) fn send(
        &self,
        message: &Encoded,
        encode: impl Fn(Dialect) -> Frames,
        wakes: &mut Wakes,
    ) {
        for subscriber in self.subscribers.values() {
            let connection = &subscriber.connection;
            let frames = message.get(connection.dialect, &encode).clone();
            wakes.add(connection.outbox.push_message(frames));
        }
    }

    /// Tells what has changed: at once in a quiet group, else when the tick is over.
    pub(crate) fn settle(&mut self, now: Instant, teller: &Teller, wakes: &mut Wakes) {
        teller.counters.cancelled.add(self.roster.take_cancelled());
        while let Some(waiting) = self.waiting.pop_front_if(|waiting| waiting.until <= now) {
            self.newcomers.push(waiting.connection);
        }
        if !self.is_dirty(now) || self.flush_after.is_some_and(|after| now < after) {
            return;
        }
        self.begin_tick(now, teller, wakes);
    }

    /// Tells what has changed; what changes from now on waits for the end of the tick.
    fn begin_tick(&mut self, now: Instant, teller: &Teller, wakes: &mut Wakes) {
        let started = Instant::now();
        self.flush(now, teller, wakes);
        let (before, cost) = (self.last_cost, started.elapsed());
        self.last_cost = cost;
        self.flush_after = Some(now + self.tick.max(growth(before, cost)));
    }

    /// When there will be something to do without anybody's asking.
    pub(crate) fn next_wake(&self, now: Instant) -> Option<Instant> {
        let flush = self.flush_after.filter(|_| self.is_dirty(now));
        let held = self.roster.held_until().map(|at| self.flush_after.map_or(at, |f| f.max(at)));
        let patience = self.waiting.front().map(|waiting| waiting.until);
        flush.into_iter().chain(held).chain(patience).chain(self.roster.deadline()).min()
    }

    /// Whether there is something to tell.
    pub(super) fn is_dirty(&self, now: Instant) -> bool {
        self.roster.has_changes(now) || !self.newcomers.is_empty()
    }

    /// Queues the changes for those who know what was before; the others are to take a
    /// snapshot, which will hold them. Both happens under the group's lock, so every
    /// connection sees one order.
    fn flush(&mut self, now: Instant, teller: &Teller, wakes: &mut Wakes) {
        let Teller { encoder, counters } = teller;
        if self.roster.has_changes(now) {
            // Before the roll changes, which need not be copied then.
            self.snapshot = None;
        }
        let changes = self.roster.take_changes(now);
        counters.transitions.add(changes.len() as u64);
        if !changes.is_empty() {
            let (version, delta) = (self.roster.version(), Encoded::default());
            for subscriber in self.subscribers.values().filter(|s| s.synced) {
                let connection = &subscriber.connection;
                let frames = delta.get(connection.dialect, |dialect| {
                    encoder.delta(dialect, &self.name, &changes, version)
                });
                wakes.add(connection.outbox.push_delta(&self.name, frames));
            }
            for watcher in &self.watchers {
                wakes.add(watcher.push(&changes));
            }
            // Some of them may be shown now.
            self.waiting.retain(|waiting| {
                let is_hidden = self.roster.is_hidden(&waiting.user);
                if !is_hidden {
                    self.newcomers.push(waiting.connection);
                }
                is_hidden
            });
        }
        for id in self.newcomers.drain(..) {
            if let Some(subscriber) = self.subscribers.get_mut(&id) {
                wakes.add(subscriber.connection.outbox.want_snapshot(&self.name));
                subscriber.synced = true;
            }
        }
    }

    /// Has a subscriber take a snapshot once more.
    pub(crate) fn resync(&self, connection: &Connection, wakes: &mut Wakes) {
        if self.subscribers.get(&connection.id).is_some_and(|subscriber| subscriber.synced)
            && self.spec.is_some()
        {
            wakes.add(connection.outbox.want_snapshot(&self.name));
        }
    }

    /// The snapshot that a subscriber is due.
    pub(crate) fn take_snapshot(
        &mut self,
        connection: &Connection,
        place: &Place,
    ) -> Option<Arc<Snapshot>> {
        connection.outbox.take_due(place).then(|| self.snapshot())
    }

    /// The members as subscribers have been told: one snapshot for all who ask before the next
    /// change is told.
    pub(crate) fn snapshot(&mut self) -> Arc<Snapshot> {
        let Self { name, roster, .. } = self;
        let new = || Snapshot::new(name.clone(), roster.version(), roster.told().clone());
        self.snapshot.get_or_insert_with(|| Arc::new(new())).clone()
    }

    /// Whether nothing would be lost without this group.
    pub(crate) fn is_idle(&self) -> bool {
        self.subscribers.is_empty() && self.watchers.is_empty() && self.roster.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_stood_still_while_it_told_keeps_nobody_waiting() {
        let (usual, stood_still) = (Duration::from_millis(2), Duration::from_secs(10));
        assert_eq!(growth(usual, usual), FLUSH_SHARE * usual);
        assert_eq!(growth(usual, stood_still), FLUSH_SHARE * usual);
        assert_eq!(growth(stood_still, usual), FLUSH_SHARE * usual);
        assert_eq!(growth(stood_still, stood_still), MAX_GROWTH);
    }
}
