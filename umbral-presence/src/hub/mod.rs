//! The groups, the connections and the users of one `Realtime`: the only place that locks
//! a group.
//!
//! Locks are taken in this order, and none is held across an `await`: a connection's
//! subscriptions, then its user, then one group, then an outbox. The application's
//! code (resolvers, predicates) is called under none of them, so that it may use the
//! handles it has. What is to be done when all of them have been let go is gathered in
//! `Effects`.

mod alarm;
mod connection;
mod connections;
mod effects;
mod groups;
#[cfg(all(test, feature = "__shuttle"))]
mod interleavings;
mod joining;
mod permits;
mod places;
mod rates;
mod resolving;
mod revocations;
mod rights;
mod subscriptions;
#[cfg(test)]
mod testing;
#[cfg(all(test, not(feature = "__shuttle")))]
mod tests;
mod users;

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, OnceLock, Weak},
    time::{Duration, Instant},
};

use self::{
    alarm::Alarms,
    connections::Connections,
    effects::Effects,
    groups::Groups,
    permits::Permits,
    rates::Rates,
    resolving::{Batches, Questions},
    revocations::Revocations,
    users::Users,
};
pub(crate) use self::{
    connection::{Connection, Opening, Request},
    connections::NotOpened,
    joining::{Replaced, Unchanged, Verdict},
    permits::{Full, Permit, Turn},
    revocations::{Moment, Outdated, Subject},
};
use crate::{
    clock::now,
    counters::{Counters, Counts},
    frame::{Dialect, Encoder, Frames},
    group::{GroupCell, State, Teller, WatchQueue},
    limits::Limits,
    name::{GroupName, UserId},
    roster::{Member, Present, Roll},
    snapshot::Snapshot,
    spec::{PresenceSpec, matcher::Matcher, resolver::ResolveContext},
    sync::MutexGuard,
    wakes::Wakes,
};

/// A group that is gone before its alarm may wait for so long all the same.
const SOON: Duration = Duration::from_secs(5);

/// What one `Realtime` knows of who is where.
pub(crate) struct Hub {
    /// Handed to the alarm task, which must not keep the hub alive.
    me: Weak<Self>,
    pub(crate) limits: Limits,
    teller: Teller,
    matcher: Matcher,
    groups: Groups,
    connections: Connections,
    users: Users,
    /// Sessions hold them until their transport is gone, which may be long after they have
    /// departed where a socket is stuck.
    permits: Permits,
    rates: Rates,
    /// Until when clients may go by themselves, where the server is going down.
    drain_until: OnceLock<Instant>,
    pub(crate) revocations: Revocations,
    context: ResolveContext,
    questions: Questions,
    batches: Batches,
    alarms: Alarms,
}

impl Hub {
    pub(crate) fn new(matcher: Matcher, limits: Limits, context: ResolveContext) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            permits: Permits::new(&limits),
            rates: Rates::new(&limits),
            limits,
            teller: Teller::default(),
            matcher,
            groups: Groups::default(),
            connections: Connections::default(),
            users: Users::default(),
            drain_until: OnceLock::new(),
            revocations: Revocations::default(),
            context,
            questions: Questions::default(),
            batches: Batches::default(),
            alarms: Alarms::default(),
        })
    }

    /// Does what is due in a group.
    fn wake(&self, cell: &Arc<GroupCell>) {
        let mut effects = self.effects();
        let mut group = cell.lock_always();
        group.alarm = None;
        self.settle(cell, group, now(), &mut effects);
    }

    /// Ends every use of a group: ends the graces that are over, tells what is due, has the
    /// group woken when more will be, and takes it off the map where nobody needs it any
    /// longer.
    fn settle(
        &self,
        cell: &Arc<GroupCell>,
        mut group: MutexGuard<'_, State>,
        now: Instant,
        effects: &mut Effects<'_>,
    ) {
        let gone = group.roster.expire(now);
        if !gone.is_empty() {
            effects.gone.push((cell.clone(), gone));
        }
        let delivery = group.settle(&cell.name, now, &self.teller, &mut effects.wakes);
        effects.deliveries.extend(delivery.map(|delivery| (cell.clone(), delivery)));
        // An alarm that is over may have been lost with the runtime that it waited in.
        if let Some(at) = group.next_wake(now)
            && group.alarm.is_none_or(|alarm| at < alarm || alarm <= now)
            && self.alarms.set(at, cell, &self.me)
        {
            group.alarm = Some(at);
        }
        if group.is_idle() {
            group.retired = true;
            if group.alarm.is_some_and(|alarm| alarm > now + SOON) {
                // What waits keeps the group's place in memory.
                self.alarms.set(now, cell, &self.me);
            }
            drop(group);
            self.groups.forget(cell);
        }
    }

    /// The spec that owns a group; asked of the matcher once for a group that there is.
    fn owner(&self, name: &GroupName) -> Option<Arc<PresenceSpec>> {
        match self.groups.get(name) {
            Some(cell) => cell.spec.clone(),
            None => self.matcher.owner(name),
        }
    }

    /// The group of this name, made for `spec` where there is none.
    fn cell(&self, name: &GroupName, spec: Option<&Arc<PresenceSpec>>) -> Arc<GroupCell> {
        let new = || GroupCell::new(name.clone(), spec.cloned(), &self.limits);
        self.groups.get_or_add(name, new)
    }

    /// Runs `read` on a group that exists.
    fn with_group<T>(&self, name: &GroupName, read: impl FnOnce(&State) -> T) -> Option<T> {
        let cell = self.groups.get(name)?;
        cell.lock().map(|group| read(&group))
    }

    /// Changes a group, while other locks may be held.
    fn change(
        &self,
        cell: &Arc<GroupCell>,
        effects: &mut Effects<'_>,
        change: impl FnOnce(&mut State),
    ) {
        if let Some(mut group) = cell.lock() {
            change(&mut group);
            self.settle(cell, group, now(), effects);
        }
    }

    /// Queues a message for every subscriber of a group.
    pub(crate) fn send(&self, name: &GroupName, encode: impl Fn(Dialect) -> Frames) {
        let mut wakes = Wakes::default();
        if let Some(cell) = self.groups.get(name) {
            cell.send(encode, &mut wakes);
        }
    }

    pub(crate) fn encoder(&self) -> &Encoder {
        &self.teller.encoder
    }

    pub(crate) fn counters(&self) -> &Arc<Counters> {
        &self.teller.counters
    }

    /// What has happened so far.
    pub(crate) fn counts(&self) -> Counts {
        self.teller.counters.read()
    }

    /// Whether this user, or this address, may ask for the members of a group once more now.
    pub(crate) fn admits_look_up(&self, user: Option<&UserId>, address: Option<IpAddr>) -> bool {
        // It forgets those who have asked.
        self.alarms.start(&self.me);
        let Rates { lookups_of_users: users, lookups_of_addresses: addresses, .. } = &self.rates;
        let is_admitted = user.is_none_or(|user| users.admits(user.clone(), now()))
            && address.is_none_or(|address| addresses.admits(address, now()));
        if !is_admitted {
            let most = usize::try_from(self.limits.members_per_second).unwrap_or(usize::MAX);
            self.counters().reached.note("members_per_second", most, user);
        }
        is_admitted
    }

    /// Whether a spec owns the group, so that it has presence.
    pub(crate) fn has_presence(&self, name: &GroupName) -> bool {
        self.owner(name).is_some()
    }

    /// The members of a group as its subscribers have been told.
    pub(crate) fn snapshot(&self, name: &GroupName) -> Arc<Snapshot> {
        match self.groups.get(name) {
            Some(cell) => cell.snapshot(),
            None => Arc::new(Snapshot::new(name.clone(), 0, Roll::default())),
        }
    }

    /// The members of a group.
    pub(crate) fn members(&self, name: &GroupName) -> Vec<Member> {
        let present = self.with_group(name, |group| group.roster.view.now());
        present.map(Present::members).unwrap_or_default()
    }

    /// Whether somebody in a group has still to be told of something.
    pub(crate) fn is_telling(&self, name: &GroupName) -> bool {
        self.with_group(name, |group| group.is_telling(now())).unwrap_or_default()
    }

    /// How many members a group has.
    pub(crate) fn count(&self, name: &GroupName) -> usize {
        self.with_group(name, |group| group.roster.view.count()).unwrap_or_default()
    }

    /// Whether a user is a member of a group.
    pub(crate) fn contains(&self, name: &GroupName, user: &UserId) -> bool {
        let seat = self.users.get(user).and_then(|user| user.seat_in(name));
        seat.is_some_and(|(cell, seat)| cell.lock_always().roster.is_shown(seat))
    }

    /// Begins to tell `watcher` of a group. Whoever calls this owes an
    /// [`unwatch`](Self::unwatch).
    pub(crate) fn watch(&self, name: &GroupName, watcher: &Arc<WatchQueue>) -> Arc<GroupCell> {
        let spec = self.owner(name);
        let mut effects = self.effects();
        loop {
            let cell = self.cell(name, spec.as_ref());
            let Some(mut group) = cell.lock() else {
                self.groups.forget(&cell);
                continue;
            };
            let (now, wakes) = (now(), &mut effects.wakes);
            let delivery = group.watch(name, watcher.clone(), now, &self.teller, wakes);
            effects.deliveries.extend(delivery.map(|delivery| (cell.clone(), delivery)));
            self.settle(&cell, group, now, &mut effects);
            return cell;
        }
    }

    /// The members of a group as it has told them, from which the changes go on that `watcher`
    /// gets.
    pub(crate) fn resync_watcher(
        &self,
        cell: &Arc<GroupCell>,
        watcher: &WatchQueue,
    ) -> Arc<[Member]> {
        cell.resync_watcher(watcher).members().clone()
    }

    pub(crate) fn unwatch(&self, cell: &Arc<GroupCell>, watcher: &Arc<WatchQueue>) {
        let mut effects = self.effects();
        let mut group = cell.lock_always();
        group.unwatch(watcher);
        self.settle(cell, group, now(), &mut effects);
    }

    /// How many groups have a subscriber, a watcher or a member.
    pub(crate) fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// How many users have a connection, or a place that waits for them.
    pub(crate) fn user_count(&self) -> usize {
        self.users.len()
    }
}

/// Everything that it knows is somebody's, so it is not shown.
impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("connections", &self.connections.len())
            .field("groups", &self.groups.len())
            .finish_non_exhaustive()
    }
}
