//! The groups, the connections and the users of one `Realtime`: the only place that locks
//! a group.
//!
//! Locks are taken in this order, and none is held across an `await`: a connection's
//! subscriptions, then one group, then an entry of `users` or an outbox.

mod alarm;
mod connections;
mod group;
mod subscriptions;

use std::{
    collections::HashSet,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize},
    },
    time::Instant,
};

use bytes::Bytes;
use dashmap::{DashMap, Entry};
use parking_lot::{Mutex, MutexGuard};

use self::{alarm::Alarms, group::Group};
use crate::{
    connection::{Connection, ConnectionId, Token},
    frame::{Dialect, Encoded, Encoder},
    group::GroupName,
    limits::Limits,
    roster::Member,
    spec::matcher::Matcher,
    user::UserId,
    watch::WatchQueue,
};

/// A group and its lock. Held for a moment only: everything under it is synchronous, and
/// no code of the application runs under it.
#[derive(Debug)]
pub(crate) struct GroupCell(Mutex<Group>);

/// What one `Realtime` knows of who is where.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Handed to the alarm task, which must not keep the hub alive.
    me: Weak<Self>,
    pub(crate) limits: Limits,
    pub(crate) encoder: Encoder,
    matcher: Matcher,
    groups: DashMap<GroupName, Arc<GroupCell>>,
    connections: DashMap<ConnectionId, Arc<Connection>>,
    tokens: DashMap<Token, Arc<Connection>>,
    users: DashMap<UserId, User>,
    /// Open connections, counted before they are in the map.
    open: AtomicUsize,
    last_connection: AtomicU64,
    draining: AtomicBool,
    alarms: Alarms,
}

/// Where one user is.
#[derive(Debug, Default)]
struct User {
    connections: Vec<Arc<Connection>>,
    /// Groups where the user has a seat, a grace included.
    groups: HashSet<GroupName>,
}

/// Why a connection was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// As many connections as the limit allows.
    Connections,
    /// As many connections of this user as the limit allows.
    ConnectionsOfUser,
    /// The server is going down.
    Draining,
}

impl Hub {
    pub(crate) fn new(matcher: Matcher, limits: Limits) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            limits,
            encoder: Encoder::default(),
            matcher,
            groups: DashMap::new(),
            connections: DashMap::new(),
            tokens: DashMap::new(),
            users: DashMap::new(),
            open: AtomicUsize::new(0),
            last_connection: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            alarms: Alarms::default(),
        })
    }

    /// Ends the graces of a group that are over, and tells what is due.
    fn wake(&self, cell: &Arc<GroupCell>) {
        let mut group = cell.0.lock();
        group.alarm = None;
        for user in group.roster.expire(now()) {
            self.unseat(&user, &group.name);
        }
        self.settle(cell, group);
    }

    /// Ends every use of a group: tells what is due, has it woken when more will be, and
    /// takes it off the map where nobody needs it any longer.
    fn settle(&self, cell: &Arc<GroupCell>, mut group: MutexGuard<'_, Group>) {
        group.settle(now(), &self.encoder);
        if let Some(at) = group.next_wake()
            && group.alarm.is_none_or(|alarm| at < alarm)
        {
            group.alarm = Some(at);
            self.alarms.set(at, cell, &self.me);
        }
        if group.is_idle() {
            group.retired = true;
            let name = group.name.clone();
            drop(group);
            self.forget(&name, cell);
        }
    }

    /// The group of this name, made where there is none.
    fn cell(&self, name: &GroupName) -> Arc<GroupCell> {
        if let Some(cell) = self.groups.get(name) {
            return cell.clone();
        }
        // Predicates are the application's code, so they are asked without a lock.
        let group = Group::new(name.clone(), self.matcher.owner(name));
        match self.groups.entry(name.clone()) {
            Entry::Occupied(entry) => entry.get().clone(),
            Entry::Vacant(entry) => entry.insert(Arc::new(GroupCell(Mutex::new(group)))).clone(),
        }
    }

    fn forget(&self, name: &GroupName, cell: &Arc<GroupCell>) {
        self.groups.remove_if(name, |_, other| Arc::ptr_eq(other, cell));
    }

    /// Runs `read` on a group that exists.
    fn with_group<T>(&self, name: &GroupName, read: impl FnOnce(&mut Group) -> T) -> Option<T> {
        let cell = self.groups.get(name)?.clone();
        cell.lock().map(|mut group| read(&mut group))
    }

    /// Queues a message for every subscriber of a group.
    pub(crate) fn send(&self, name: &GroupName, encode: impl Fn(Dialect) -> Vec<Bytes>) {
        self.with_group(name, |group| group.send(&Encoded::default(), encode));
    }

    /// Whether a spec owns the group, so that it has presence.
    pub(crate) fn has_presence(&self, name: &GroupName) -> bool {
        self.with_group(name, |group| group.spec.is_some())
            .unwrap_or_else(|| self.matcher.owner(name).is_some())
    }

    /// The members of a group and the version that they have.
    pub(crate) fn snapshot(&self, name: &GroupName) -> (Vec<Member>, u64) {
        self.with_group(name, |group| group.snapshot(&self.encoder)).unwrap_or_default()
    }

    /// The members of a group.
    pub(crate) fn members(&self, name: &GroupName) -> Vec<Member> {
        self.with_group(name, |group| group.roster.members()).unwrap_or_default()
    }

    /// How many members a group has.
    pub(crate) fn count(&self, name: &GroupName) -> usize {
        self.with_group(name, |group| group.roster.count()).unwrap_or_default()
    }

    /// Whether a user is a member of a group.
    pub(crate) fn contains(&self, name: &GroupName, user: &UserId) -> bool {
        self.with_group(name, |group| group.roster.contains(user)).unwrap_or_default()
    }

    /// The groups that a user is a member of, by name.
    pub(crate) fn groups_of(&self, user: &UserId) -> Vec<GroupName> {
        let seated = self.users.get(user).map(|entry| entry.groups.clone());
        let mut groups: Vec<_> =
            seated.into_iter().flatten().filter(|name| self.contains(name, user)).collect();
        groups.sort_unstable();
        groups
    }

    /// Begins to tell `watcher` of a group. Whoever calls this owes an
    /// [`unwatch`](Self::unwatch).
    pub(crate) fn watch(&self, name: &GroupName, watcher: &Arc<WatchQueue>) -> Arc<GroupCell> {
        loop {
            let cell = self.cell(name);
            let Some(mut group) = cell.lock() else {
                self.forget(name, &cell);
                continue;
            };
            group.watch(watcher.clone(), &self.encoder);
            self.settle(&cell, group);
            return cell;
        }
    }

    pub(crate) fn unwatch(&self, cell: &Arc<GroupCell>, watcher: &Arc<WatchQueue>) {
        let mut group = cell.0.lock();
        group.unwatch(watcher);
        self.settle(cell, group);
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

impl GroupCell {
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
