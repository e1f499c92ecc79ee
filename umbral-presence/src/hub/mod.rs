//! The groups, the connections and the users of one `Realtime`: the only place that locks
//! a group.
//!
//! Locks are taken in this order, and none is held across an `await`: a connection's
//! subscriptions, then one group, then an entry of `users` or an outbox.

mod alarm;
mod group;

use std::{
    collections::HashSet,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use dashmap::{DashMap, Entry};
use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;

use self::{
    alarm::Alarms,
    group::{Group, Resolved},
};
use crate::{
    connection::{Connection, ConnectionId, Subscriptions, Token},
    frame::{Dialect, Encoded, Encoder},
    group::GroupName,
    limits::Limits,
    outbox::{End, Outbox},
    roster::Member,
    spec::{PresenceSpec, matcher::Matcher},
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

/// What a change of a connection's groups has come to.
#[derive(Debug, Default)]
pub(crate) struct Replaced {
    /// The number of the newest call that was heeded.
    pub(crate) number: u64,
    pub(crate) joined: Vec<GroupName>,
    pub(crate) left: Vec<GroupName>,
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

    // Connections.

    /// Registers a connection. Whoever calls this owes it a [`close`](Self::close).
    pub(crate) fn open(
        &self,
        user: Option<UserId>,
        dialect: Dialect,
        token: Option<Token>,
    ) -> Result<Arc<Connection>, Full> {
        // Counted first and looked at afterwards, so that a drain that begins meanwhile
        // either sees this connection or is seen by it.
        if self.open.fetch_add(1, Ordering::SeqCst) >= self.limits.connections {
            self.open.fetch_sub(1, Ordering::SeqCst);
            return Err(Full::Connections);
        }
        if self.is_draining() {
            self.open.fetch_sub(1, Ordering::SeqCst);
            return Err(Full::Draining);
        }
        let number = self.last_connection.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection::new(
            ConnectionId::of(number),
            user,
            dialect,
            Outbox::new(self.limits.outbox_bytes),
            token,
            now(),
        ));
        if let Some(user) = &connection.user {
            let mut entry = self.users.entry(user.clone()).or_default();
            if entry.connections.len() >= self.limits.connections_per_user {
                drop(entry);
                self.open.fetch_sub(1, Ordering::SeqCst);
                return Err(Full::ConnectionsOfUser);
            }
            entry.connections.push(connection.clone());
        }
        if let Some(token) = connection.token {
            self.tokens.insert(token, connection.clone());
        }
        self.connections.insert(connection.id, connection.clone());
        Ok(connection)
    }

    /// Takes a connection out of everything. With `goodbye` its user leaves at once where
    /// it was the last connection, without it after the grace.
    pub(crate) fn close(&self, connection: &Arc<Connection>, goodbye: bool) {
        let mut subscriptions = connection.subscriptions.lock();
        if std::mem::replace(&mut subscriptions.ended, true) {
            return;
        }
        let groups = std::mem::take(&mut subscriptions.groups);
        drop(subscriptions);
        for cell in groups.into_values() {
            self.leave(&cell, connection, goodbye);
        }
        if let Some(token) = connection.token {
            self.tokens.remove(&token);
        }
        if let Some(user) = &connection.user {
            self.change_user(user, |entry| {
                entry.connections.retain(|other| other.id != connection.id);
            });
        }
        self.connections.remove(&connection.id);
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    /// Takes a connection out of everything at once, whatever its transport is doing, and
    /// ends it.
    pub(crate) fn expel(&self, connection: &Arc<Connection>, end: End) {
        self.close(connection, true);
        connection.outbox.close(end);
    }

    /// Queues a control frame for one connection.
    pub(crate) fn tell(&self, connection: &Connection, event: &str, data: &impl Serialize) {
        let frames = self.encoder.control(connection.dialect, event, data);
        connection.outbox.push(&frames);
    }

    /// The connection whose client was told this token.
    pub(crate) fn by_token(&self, token: Token) -> Option<Arc<Connection>> {
        self.tokens.get(&token).map(|entry| entry.clone())
    }

    /// Every connection of a user.
    pub(crate) fn connections_of(&self, user: &UserId) -> Vec<Arc<Connection>> {
        self.users.get(user).map_or_else(Vec::new, |entry| entry.connections.clone())
    }

    /// Every connection there is.
    pub(crate) fn all_connections(&self) -> Vec<Arc<Connection>> {
        self.connections.iter().map(|entry| entry.clone()).collect()
    }

    /// How many connections are open.
    pub(crate) fn open_connections(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    // Groups of a connection.

    /// Subscribes a connection to these groups, which the policy has allowed.
    pub(crate) fn subscribe(&self, connection: &Arc<Connection>, names: &[GroupName]) {
        let mut subscriptions = connection.subscriptions.lock();
        for name in names {
            self.join(connection, &mut subscriptions, name);
        }
    }

    /// Takes a connection out of these groups; its user leaves them at once where it was
    /// the last connection there. Gives the groups that it was in.
    pub(crate) fn unsubscribe(
        &self,
        connection: &Arc<Connection>,
        names: &[GroupName],
    ) -> Vec<GroupName> {
        let mut subscriptions = connection.subscriptions.lock();
        let mut left = Vec::new();
        for name in names {
            if let Some(cell) = subscriptions.groups.remove(name) {
                self.leave(&cell, connection, true);
                left.push(name.clone());
            }
        }
        left
    }

    /// Makes `names` the whole set of a connection's groups, unless a newer call than
    /// `number` has been heeded; `None` where the connection has ended.
    pub(crate) fn replace(
        &self,
        connection: &Arc<Connection>,
        number: u64,
        names: &[GroupName],
    ) -> Option<Replaced> {
        let mut subscriptions = connection.subscriptions.lock();
        if subscriptions.ended {
            return None;
        }
        if number < subscriptions.number {
            return Some(Replaced { number: subscriptions.number, ..Replaced::default() });
        }
        subscriptions.number = number;
        let left: Vec<_> =
            subscriptions.groups.keys().filter(|name| !names.contains(name)).cloned().collect();
        for name in &left {
            if let Some(cell) = subscriptions.groups.remove(name) {
                self.leave(&cell, connection, true);
            }
        }
        let mut joined = Vec::new();
        for name in names {
            if self.join(connection, &mut subscriptions, name) {
                joined.push(name.clone());
            }
        }
        Some(Replaced { number, joined, left })
    }

    /// Whether the connection was not in the group and now is.
    fn join(
        &self,
        connection: &Arc<Connection>,
        subscriptions: &mut Subscriptions,
        name: &GroupName,
    ) -> bool {
        if subscriptions.ended || subscriptions.groups.contains_key(name) {
            return false;
        }
        let user = connection.user.as_ref();
        let mut resolved = Resolved::Unasked;
        loop {
            let cell = self.cell(name);
            let Some(mut group) = cell.lock() else {
                self.forget(name, &cell);
                continue;
            };
            // The resolver is the application's code, so it is asked without the lock.
            if let Resolved::Unasked = resolved
                && let Some(spec) = group.wants_payload(user)
                && let Some(user) = user
            {
                drop(group);
                resolved = Resolved::Asked(resolve(&spec, user, name));
                continue;
            }
            if group.subscribe(connection, resolved)
                && let Some(user) = user
            {
                self.users.entry(user.clone()).or_default().groups.insert(name.clone());
            }
            self.settle(&cell, group);
            subscriptions.groups.insert(name.clone(), cell);
            return true;
        }
    }

    fn leave(&self, cell: &Arc<GroupCell>, connection: &Connection, goodbye: bool) {
        let mut group = cell.0.lock();
        if group.unsubscribe(connection, goodbye, now())
            && let Some(user) = &connection.user
        {
            self.unseat(user, &group.name);
        }
        self.settle(cell, group);
    }

    // Groups.

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

    // Users.

    fn unseat(&self, user: &UserId, group: &GroupName) {
        self.change_user(user, |entry| {
            entry.groups.remove(group);
        });
    }

    /// Changes what is known of a user, and forgets one of whom nothing is left.
    fn change_user(&self, user: &UserId, change: impl FnOnce(&mut User)) {
        if let Entry::Occupied(mut entry) = self.users.entry(user.clone()) {
            change(entry.get_mut());
            if entry.get().connections.is_empty() && entry.get().groups.is_empty() {
                entry.remove();
            }
        }
    }

    // Shutdown.

    /// From now on no connection is opened.
    pub(crate) fn begin_draining(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    /// Ends every connection, for the server is going down.
    pub(crate) fn end_all(&self) {
        for connection in self.all_connections() {
            connection.outbox.close(End::Draining);
        }
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

fn resolve(
    spec: &PresenceSpec,
    user: &UserId,
    group: &GroupName,
) -> Option<Box<serde_json::value::RawValue>> {
    let payload = spec.resolver.resolve(user);
    if payload.is_none() {
        tracing::error!(
            %user, %group, spec = %spec.place(),
            "the resolver panicked; the member is not shown"
        );
    }
    payload
}
