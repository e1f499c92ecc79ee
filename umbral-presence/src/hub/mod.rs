//! The groups, the connections and the users of one `Realtime`: the only place that locks
//! a group.
//!
//! Locks are taken in this order, and none is held across an `await`: a connection's
//! subscriptions, then one group, then an entry of `users` or an outbox. The application's
//! code (resolvers, predicates) is called under none of them, so that it may use the
//! handles it has.

mod alarm;
mod connections;
mod group;
#[cfg(all(test, feature = "__shuttle"))]
mod interleavings;
#[cfg(all(test, not(feature = "__shuttle")))]
mod model;
mod permits;
mod places;
mod rates;
#[cfg(test)]
mod reader;
mod resolving;
mod revocations;
mod subscriptions;
#[cfg(all(test, not(feature = "__shuttle")))]
mod tests;
mod users;

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, OnceLock, Weak, atomic::AtomicU64},
    time::{Duration, Instant},
};

use dashmap::DashMap;

use self::{
    alarm::Alarms,
    group::{Group, Teller},
    permits::Permits,
    rates::Rates,
    resolving::{Batches, Questions},
    revocations::Revocations,
    users::User,
};
pub(crate) use self::{
    connections::NotOpened,
    permits::{Full, Permit, Turn},
    revocations::{Moment, Outdated, Subject},
    subscriptions::{Replaced, Unchanged, Verdict},
};
use crate::{
    connection::{Connection, ConnectionId, Token},
    counters::{Counters, Counts},
    frame::{Dialect, Encoded, Encoder, Frames},
    group::GroupName,
    limits::Limits,
    outbox::Place,
    roster::{Member, Present, Roll},
    snapshot::Snapshot,
    spec::{PresenceSpec, matcher::Matcher, resolver::ResolveContext},
    sync::{Mutex, MutexGuard},
    user::UserId,
    wakes::Wakes,
    watch::WatchQueue,
};

/// A group that is gone before its alarm may wait for so long all the same.
const SOON: Duration = Duration::from_secs(5);

/// A group and its lock. Held for a moment only: everything under it is synchronous.
pub(crate) struct GroupCell(Mutex<Group>);

/// What one `Realtime` knows of who is where.
pub(crate) struct Hub {
    /// Handed to the alarm task, which must not keep the hub alive.
    me: Weak<Self>,
    pub(crate) limits: Limits,
    teller: Teller,
    matcher: Matcher,
    groups: DashMap<GroupName, Arc<GroupCell>>,
    connections: DashMap<ConnectionId, Arc<Connection>>,
    tokens: DashMap<Token, Arc<Connection>>,
    users: DashMap<UserId, User>,
    /// Sessions hold them until their transport is gone, which may be long after they have
    /// departed where a socket is stuck.
    permits: Permits,
    rates: Rates,
    /// Connections that have departed and been ended, and since when.
    ending: Mutex<Vec<(Instant, Weak<Connection>)>>,
    last_connection: AtomicU64,
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
            groups: DashMap::new(),
            connections: DashMap::new(),
            tokens: DashMap::new(),
            users: DashMap::new(),
            ending: Mutex::default(),
            last_connection: AtomicU64::new(0),
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
        let mut wakes = Wakes::default();
        let mut group = cell.0.lock();
        group.alarm = None;
        self.settle(cell, group, &mut wakes);
    }

    /// Ends every use of a group: ends the graces that are over, tells what is due, has the
    /// group woken when more will be, and takes it off the map where nobody needs it any
    /// longer.
    fn settle(&self, cell: &Arc<GroupCell>, mut group: MutexGuard<'_, Group>, wakes: &mut Wakes) {
        let now = now();
        for user in group.roster.expire(now) {
            self.unseat(&user, &group.name);
        }
        group.settle(now, &self.teller, wakes);
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
            let name = group.name.clone();
            drop(group);
            self.forget(&name, cell);
        }
    }

    /// The spec that owns a group; asked of the matcher once for a group that there is.
    fn owner(&self, name: &GroupName) -> Option<Arc<PresenceSpec>> {
        let known = self.with_group(name, |group| group.spec.clone());
        known.unwrap_or_else(|| self.matcher.owner(name))
    }

    /// The group of this name, made for `spec` where there is none.
    fn cell(&self, name: &GroupName, spec: Option<&Arc<PresenceSpec>>) -> Arc<GroupCell> {
        if let Some(cell) = self.groups.get(name) {
            return cell.clone();
        }
        let new = || {
            let group = Group::new(name.clone(), spec.cloned(), &self.limits);
            Arc::new(GroupCell::new(group))
        };
        self.groups.entry(name.clone()).or_insert_with(new).clone()
    }

    /// Locks the group of this name, made for `spec` where there is none.
    fn group<T>(
        &self,
        name: &GroupName,
        spec: Option<&Arc<PresenceSpec>>,
        wakes: &mut Wakes,
        change: impl FnOnce(&mut Group, &mut Wakes) -> T,
    ) -> (Arc<GroupCell>, T) {
        loop {
            let cell = self.cell(name, spec);
            let Some(mut group) = cell.lock() else {
                self.forget(name, &cell);
                continue;
            };
            let changed = change(&mut group, wakes);
            self.settle(&cell, group, wakes);
            return (cell, changed);
        }
    }

    fn forget(&self, name: &GroupName, cell: &Arc<GroupCell>) {
        self.groups.remove_if(name, |_, other| Arc::ptr_eq(other, cell));
    }

    /// Runs `read` on a group that exists.
    fn with_group<T>(&self, name: &GroupName, read: impl FnOnce(&Group) -> T) -> Option<T> {
        let cell = self.groups.get(name)?.clone();
        cell.lock().map(|group| read(&group))
    }

    /// Changes a group that exists.
    fn change(&self, name: &GroupName, change: impl FnOnce(&mut Group)) {
        self.change_in(name, &mut Wakes::default(), change);
    }

    /// Changes a group that exists, while other locks are held.
    fn change_in(&self, name: &GroupName, wakes: &mut Wakes, change: impl FnOnce(&mut Group)) {
        let Some(cell) = self.groups.get(name).map(|cell| cell.clone()) else {
            return;
        };
        if let Some(mut group) = cell.lock() {
            change(&mut group);
            self.settle(&cell, group, wakes);
        }
    }

    /// Queues a message for every subscriber of a group.
    pub(crate) fn send(&self, name: &GroupName, encode: impl Fn(Dialect) -> Frames) {
        let mut wakes = Wakes::default();
        self.with_group(name, |group| group.send(&Encoded::default(), encode, &mut wakes));
    }

    /// The snapshot of a group that a connection has come to, if it is still due.
    pub(crate) fn due_snapshot(
        &self,
        connection: &Connection,
        place: &Place,
    ) -> Option<Arc<Snapshot>> {
        let cell = self.groups.get(&place.group)?.clone();
        let mut group = cell.lock()?;
        group.take_snapshot(connection, place)
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
        let cell = self.groups.get(name).map(|cell| cell.clone());
        let snapshot = cell.and_then(|cell| Some(cell.lock()?.snapshot()));
        snapshot.unwrap_or_else(|| Arc::new(Snapshot::new(name.clone(), 0, Roll::default())))
    }

    /// The members of a group.
    pub(crate) fn members(&self, name: &GroupName) -> Vec<Member> {
        let present = self.with_group(name, |group| group.roster.now());
        present.map(Present::members).unwrap_or_default()
    }

    /// How many members a group has.
    pub(crate) fn count(&self, name: &GroupName) -> usize {
        self.with_group(name, |group| group.roster.count()).unwrap_or_default()
    }

    /// Whether a user is a member of a group.
    pub(crate) fn contains(&self, name: &GroupName, user: &UserId) -> bool {
        self.with_group(name, |group| group.roster.contains(user)).unwrap_or_default()
    }

    /// Begins to tell `watcher` of a group. Whoever calls this owes an
    /// [`unwatch`](Self::unwatch).
    pub(crate) fn watch(&self, name: &GroupName, watcher: &Arc<WatchQueue>) -> Arc<GroupCell> {
        let spec = self.owner(name);
        let mut wakes = Wakes::default();
        let begin = |group: &mut Group, wakes: &mut Wakes| {
            group.watch(watcher.clone(), now(), &self.teller, wakes);
        };
        self.group(name, spec.as_ref(), &mut wakes, begin).0
    }

    /// The members of a group as it has told them, from which the changes go on that `watcher`
    /// gets.
    pub(crate) fn resync_watcher(
        &self,
        cell: &Arc<GroupCell>,
        watcher: &WatchQueue,
    ) -> Arc<[Member]> {
        let snapshot = {
            let mut group = cell.0.lock();
            watcher.resynced();
            group.snapshot()
        };
        snapshot.members().clone()
    }

    pub(crate) fn unwatch(&self, cell: &Arc<GroupCell>, watcher: &Arc<WatchQueue>) {
        let mut wakes = Wakes::default();
        let mut group = cell.0.lock();
        group.unwatch(watcher);
        self.settle(cell, group, &mut wakes);
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

/// Without a look inside, which would lock it.
impl fmt::Debug for GroupCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupCell").finish_non_exhaustive()
    }
}

impl GroupCell {
    fn new(group: Group) -> Self {
        Self(Mutex::new(group))
    }

    /// The group, unless it has been taken off the map.
    fn lock(&self) -> Option<MutexGuard<'_, Group>> {
        let group = self.0.lock();
        (!group.retired).then_some(group)
    }
}

/// The clock that everything goes by: tokio's, which tests can pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
