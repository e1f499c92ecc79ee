//! What is under the lock of one group: the clock comes in, and what is to be done without the
//! lock goes out.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use super::{
    delivery::Delivery,
    subscribers::{Subscriber, SubscriberId, Subscribers},
    teller::Teller,
    tick::Tick,
    watchers::WatchQueue,
};
use crate::{
    connection::{FeedId, Reader},
    figures::{Tally, Timed},
    limits::Limits,
    name::GroupName,
    roster::{Farewell, SeatId},
    spec::PresenceSpec,
    store::{Roster, Seated},
    wakes::Wakes,
    wire::Snapshot,
};

/// The state of one group.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) roster: Roster,
    /// What it has added to the figures of its declaration.
    tally: Tally,
    pub(crate) subscribers: Subscribers,
    /// Subscribers who get a snapshot from the next flush on.
    newcomers: Vec<Subscriber>,
    /// Subscribers whose own user a batch resolver is asked for, soonest deadline first. They
    /// get their snapshot when it holds them, or when they have waited long enough.
    waiting: VecDeque<Waiting>,
    /// How long they wait.
    patience: Duration,
    watchers: Vec<Arc<WatchQueue>>,
    /// Those who begin when it is known what other nodes say of the group.
    late_watchers: Vec<Arc<WatchQueue>>,
    /// How many wait for what other nodes say of the group.
    pub(crate) visitors: usize,
    /// The members at the version that was told last, once somebody has asked for them.
    snapshot: Option<Arc<Snapshot>>,
    tick: Tick,
    /// Changes are on their way to the subscribers, without the lock.
    is_delivering: bool,
    /// When the group is to be woken; a later wake-up is not asked for then.
    pub(crate) alarm: Option<Instant>,
    /// Nobody has used the group before.
    pub(crate) is_new: bool,
    /// The group has been taken off the hub's map: look it up again.
    pub(super) retired: bool,
}

#[derive(Debug)]
struct Waiting {
    /// One that is gone by then is not kept until then.
    reader: Weak<Reader>,
    feed: FeedId,
    seat: SeatId,
    until: Instant,
}

impl Waiting {
    fn subscriber(&self) -> Option<Subscriber> {
        Some(Subscriber { reader: self.reader.upgrade()?, feed: self.feed })
    }
}

/// What a connection has got by joining a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Joined {
    pub(crate) subscriber: SubscriberId,
    pub(crate) feed: FeedId,
    /// The seat of its user, and what has come of the join there.
    pub(crate) seat: Option<(SeatId, Seated)>,
}

impl State {
    pub(super) fn new(roster: Roster, tally: Tally, limits: &Limits) -> Self {
        Self {
            roster,
            tally,
            subscribers: Subscribers::default(),
            newcomers: Vec::new(),
            waiting: VecDeque::new(),
            patience: limits.resolver_timeout,
            watchers: Vec::new(),
            late_watchers: Vec::new(),
            visitors: 0,
            snapshot: None,
            tick: Tick::new(limits.tick),
            is_delivering: false,
            alarm: None,
            is_new: true,
            retired: false,
        }
    }

    /// Adds a subscriber, and its user if it has one. `seat` is the user's, if it is still there.
    pub(crate) fn subscribe(
        &mut self,
        spec: Option<&PresenceSpec>,
        subscriber: Subscriber,
        seat: Option<SeatId>,
        now: Instant,
    ) -> Joined {
        let id = self.subscribers.add(subscriber.clone());
        let mut joined = Joined { subscriber: id, feed: subscriber.feed, seat: None };
        let Some(spec) = spec else {
            return joined;
        };
        if let Some(user) = &subscriber.reader.user {
            let (seat, seated) = self.roster.join(seat, subscriber.reader.id, user);
            joined.seat = Some((seat, seated));
            if spec.resolver.is_batch() && self.roster.is_hidden(seat) {
                let until = now + self.patience;
                let reader = Arc::downgrade(&subscriber.reader);
                self.waiting.push_back(Waiting { reader, feed: subscriber.feed, seat, until });
                return joined;
            }
        }
        self.newcomers.push(subscriber);
        joined
    }

    /// Removes a subscriber. Without a goodbye its user keeps the seat for the grace, and
    /// until `stays_until` where that is later. Says whether the seat is gone.
    pub(crate) fn unsubscribe(
        &mut self,
        spec: Option<&PresenceSpec>,
        reader: &Reader,
        (subscriber, seat): (SubscriberId, Option<SeatId>),
        goodbye: bool,
        stays_until: Option<Instant>,
        now: Instant,
    ) -> bool {
        self.subscribers.remove(subscriber);
        let (Some(seat), Some(spec)) = (seat, spec) else {
            return false;
        };
        let farewell = if goodbye {
            Farewell::Goodbye
        } else {
            let until = now + spec.grace;
            Farewell::BrokenOff { until: stays_until.map_or(until, |stays| stays.max(until)) }
        };
        self.roster.leave(seat, reader.id, farewell, now)
    }

    /// Adds a watcher inside the application. It begins with the members as they have been told,
    /// those of now included unless others are just being told of them.
    pub(crate) fn watch(
        &mut self,
        name: &GroupName,
        watcher: Arc<WatchQueue>,
        now: Instant,
        teller: &Teller,
        wakes: &mut Wakes,
    ) -> Option<Delivery> {
        if self.is_held(now) {
            self.late_watchers.push(watcher);
            return None;
        }
        let is_due = self.is_dirty(now) && !self.is_delivering;
        let delivery = if is_due { self.flush(name, now, teller, wakes) } else { None };
        wakes.add(watcher.begin(self.snapshot(name)));
        self.watchers.push(watcher);
        delivery
    }

    pub(crate) fn unwatch(&mut self, watcher: &Arc<WatchQueue>) {
        self.watchers.retain(|other| !Arc::ptr_eq(other, watcher));
        self.late_watchers.retain(|other| !Arc::ptr_eq(other, watcher));
    }

    /// Tells what has changed: at once in a quiet group, else when the tick is over. What it
    /// gives is to be carried out without the lock, and [ended](Self::delivered).
    #[must_use]
    pub(crate) fn settle(
        &mut self,
        name: &GroupName,
        now: Instant,
        teller: &Teller,
        wakes: &mut Wakes,
    ) -> Option<Delivery> {
        let cancelled = self.roster.take_cancelled();
        teller.counters.cancelled.add(cancelled);
        self.tally.cancelled(cancelled);
        self.tally.has(self.roster.seat_count());
        self.roster.view.forget(now);
        while self.waiting.front().is_some_and(|waiting| waiting.until <= now)
            && let Some(waiting) = self.waiting.pop_front()
        {
            self.newcomers.extend(waiting.subscriber());
        }
        if self.roster.take_shown() && !self.waiting.is_empty() {
            self.let_in_shown();
        }
        if self.waiting.is_empty() {
            // A crowd that has been resolved holds no memory.
            self.waiting = VecDeque::new();
        }
        let is_held = self.is_held(now);
        let may_tell = self.tick.is_over(now) && !is_held;
        let mut delivery = None;
        if may_tell && self.is_dirty(now) && !self.is_delivering {
            delivery = self.flush(name, now, teller, wakes);
        }
        if !is_held && !self.late_watchers.is_empty() {
            let snapshot = self.snapshot(name);
            for watcher in std::mem::take(&mut self.late_watchers) {
                wakes.add(watcher.begin(snapshot.clone()));
                self.watchers.push(watcher);
            }
        }
        delivery
    }

    /// Has those take a snapshot whose own users are shown now. It may be that nothing else has changed:
    /// another node showed them before.
    fn let_in_shown(&mut self) {
        let (roster, newcomers) = (&self.roster, &mut self.newcomers);
        self.waiting.retain(|waiting| {
            let is_hidden = roster.is_hidden(waiting.seat);
            if !is_hidden {
                newcomers.extend(waiting.subscriber());
            }
            is_hidden
        });
    }

    /// Whether nobody is told of the group yet, since it is not known what other nodes say of it.
    fn is_held(&self, now: Instant) -> bool {
        self.roster.holds_until().is_some_and(|until| until > now)
    }

    /// A delivery has been carried out.
    pub(crate) fn delivered(&mut self, delivery: &Delivery, now: Instant) {
        self.is_delivering = false;
        self.begin_tick(delivery, now);
    }

    fn begin_tick(&mut self, delivery: &Delivery, now: Instant) {
        if delivery.has_changes() {
            Timed::Flush.took(delivery.spent);
            self.tick.begin(delivery.begun, now, delivery.spent, delivery.len());
        } else {
            self.tick.begin_without_changes(now);
        }
    }

    /// When there will be something to do without anybody's asking.
    pub(crate) fn next_wake(&self, now: Instant) -> Option<Instant> {
        let tick = self.tick.over_at();
        let patience = self.waiting.front().map(|waiting| waiting.until);
        let forget = self.roster.view.forget_at();
        let rest = patience.into_iter().chain(self.roster.deadline()).chain(forget).min();
        if self.is_delivering {
            // The end of the delivery looks again.
            return rest;
        }
        let held_until = self.roster.holds_until();
        let tick = tick.max(held_until);
        let begin = held_until.filter(|_| !self.late_watchers.is_empty());
        let flush = tick.filter(|_| self.is_dirty(now)).into_iter().chain(begin).min();
        let held = self.roster.view.held_until().map(|at| tick.map_or(at, |tick| tick.max(at)));
        flush.into_iter().chain(held).chain(rest).min()
    }

    /// Whether somebody has still to be told of something.
    pub(crate) fn is_telling(&self, now: Instant) -> bool {
        self.is_delivering || self.is_dirty(now)
    }

    /// Whether there is something to tell.
    pub(crate) fn is_dirty(&self, now: Instant) -> bool {
        self.roster.view.has_changes(now) || !self.newcomers.is_empty()
    }

    /// Begins to tell what has changed: the changes to those who know what was before, and to the
    /// others that they are to take a snapshot, which will hold them. The versions are given out
    /// here, and one delivery comes after the other, so every connection sees one order.
    fn flush(
        &mut self,
        name: &GroupName,
        now: Instant,
        teller: &Teller,
        wakes: &mut Wakes,
    ) -> Option<Delivery> {
        let view = &mut self.roster.view;
        if view.has_changes(now) {
            // Before the roll changes, which need not be copied then.
            self.snapshot = None;
        }
        let changes = view.take_changes(now);
        let version = view.version();
        teller.counters.transitions.add(changes.len() as u64);
        self.tally.told(&changes);
        if !changes.is_empty() {
            for watcher in &self.watchers {
                wakes.add(watcher.push(&changes));
            }
        }
        let newcomers = std::mem::take(&mut self.newcomers);
        let subscribers = &self.subscribers;
        let mut delivery =
            Delivery::new(name.clone(), changes, version, subscribers, newcomers, now);
        if delivery.len() > teller.at_once {
            self.is_delivering = true;
            return Some(delivery);
        }
        while delivery.go_on(teller, wakes) {}
        self.begin_tick(&delivery, now);
        None
    }

    /// The members as subscribers have been told: one snapshot for all who ask before the next
    /// change is told.
    pub(super) fn snapshot(&mut self, name: &GroupName) -> Arc<Snapshot> {
        let view = &self.roster.view;
        let new = || Snapshot::new(name.clone(), view.version(), view.told().clone());
        self.snapshot.get_or_insert_with(|| Arc::new(new())).clone()
    }

    /// How many there is room for in all its tables.
    #[cfg(all(test, not(feature = "__shuttle")))]
    pub(crate) fn capacity(&self) -> usize {
        let Self { roster, subscribers, newcomers, waiting, .. } = self;
        let here = roster.capacity() + subscribers.capacity();
        here + newcomers.capacity() + waiting.capacity()
    }

    /// The group is taken off the hub's map.
    pub(crate) fn retire(&mut self) {
        self.retired = true;
        self.tally.end();
    }

    /// Whether nothing would be lost without this group.
    pub(crate) fn is_idle(&self) -> bool {
        let watchers = self.watchers.len() + self.late_watchers.len();
        let is_empty = self.subscribers.len() + watchers + self.visitors == 0;
        is_empty && self.roster.is_empty() && !self.is_delivering
    }
}
