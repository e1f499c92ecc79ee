//! What is known of a user across groups and connections, and sending one away.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    num::NonZeroU64,
    sync::Arc,
    time::Instant,
};

use dashmap::Entry;

use super::{Hub, Moment, Subject};
use crate::{connection::Connection, group::GroupName, outbox::End, user::UserId, wakes::Wakes};

/// Where one user is.
#[derive(Debug, Default)]
pub(super) struct User {
    pub(super) connections: Vec<Arc<Connection>>,
    /// Groups where the user has a seat, a grace included.
    pub(super) groups: HashMap<GroupName, Held>,
    /// The graces, in the order in which they began.
    graces: BTreeMap<NonZeroU64, Grace>,
}

/// A group where a user has a seat.
#[derive(Debug)]
pub(super) struct Held {
    /// When the policy last allowed it to a connection that has broken off.
    allowed: Moment,
    /// The number of the grace by which alone the user is there.
    grace: Option<NonZeroU64>,
}

impl Held {
    pub(super) fn new(allowed: Moment) -> Self {
        Self { allowed, grace: None }
    }
}

/// A group where a user stays without a connection, until then.
#[derive(Debug)]
pub(super) struct Grace {
    group: GroupName,
    until: Instant,
}

impl Hub {
    /// Every connection of a user.
    pub(crate) fn connections_of(&self, user: &UserId) -> Vec<Arc<Connection>> {
        self.users.get(user).map_or_else(Vec::new, |entry| entry.connections.clone())
    }

    /// Whether a user is connected, or has a seat by a grace.
    pub(crate) fn knows(&self, user: &UserId) -> bool {
        self.users.contains_key(user)
    }

    /// The groups where a user has a seat, a grace included.
    pub(super) fn seats_of(&self, user: &UserId) -> HashSet<GroupName> {
        self.users.get(user).map(|entry| entry.groups.keys().cloned().collect()).unwrap_or_default()
    }

    /// The groups that a user is a member of, by name.
    pub(crate) fn groups_of(&self, user: &UserId) -> Vec<GroupName> {
        let seats = self.seats_of(user).into_iter();
        let mut groups: Vec<_> = seats.filter(|name| self.contains(name, user)).collect();
        groups.sort_unstable();
        groups
    }

    /// The groups that a user has anything to do with: as a subscriber or by a seat.
    pub(crate) fn reach_of(&self, user: &UserId) -> HashSet<GroupName> {
        let mut groups = self.seats_of(user);
        for connection in self.connections_of(user) {
            groups.extend(connection.groups());
        }
        groups
    }

    /// Ends every connection of a user, who leaves all groups at once.
    pub(crate) fn disconnect(&self, user: &UserId) {
        self.revocations.revoke(Subject::User(user));
        for connection in self.connections_of(user) {
            self.expel(&connection, End::Disconnected);
        }
        for name in self.seats_of(user) {
            self.evict(user, &name, Moment::END);
        }
    }

    /// Takes a user out of groups at once, with every connection, since the policy, asked at
    /// these moments, has not allowed them. Where it was asked later and did the user stays; a yes
    /// that it was asked for earlier lets nobody in any more.
    pub(crate) fn ban(&self, user: &UserId, names: &[(GroupName, Moment)]) {
        // First, so that whoever comes in with such a yes is either seen by this or sees it.
        for (_, asked) in names {
            self.revocations.overrule(Subject::User(user), *asked);
        }
        for connection in self.connections_of(user) {
            self.deny(&connection, names);
        }
        for (name, asked) in names {
            self.evict(user, name, *asked);
        }
    }

    /// Takes anonymous connections out of a group at once, likewise: those that `find` gives.
    pub(crate) fn ban_visitors(
        &self,
        name: &GroupName,
        asked: Moment,
        find: impl FnOnce() -> Vec<Arc<Connection>>,
    ) {
        self.revocations.overrule(Subject::Group(name), asked);
        for connection in find() {
            self.deny(&connection, &[(name.clone(), asked)]);
        }
    }

    /// The users who have anything to do with a group.
    pub(crate) fn users_in(&self, name: &GroupName) -> HashSet<UserId> {
        // By a seat or, where the group has no presence, as a subscriber.
        let seated = self.users.iter().filter(|entry| entry.groups.contains_key(name));
        let mut users: HashSet<_> = seated.map(|entry| entry.key().clone()).collect();
        let connections = self.all_connections().into_iter();
        let inside = connections.filter(|connection| connection.is_in(name));
        users.extend(inside.filter_map(|connection| connection.user.clone()));
        users
    }

    /// The anonymous connections that are in a group.
    pub(crate) fn anonymous_in(&self, name: &GroupName) -> Vec<Arc<Connection>> {
        let mut connections = self.all_connections();
        connections.retain(|connection| connection.user.is_none() && connection.is_in(name));
        connections
    }

    /// Notes that the policy, asked at `asked`, has allowed a user to be in a group.
    pub(crate) fn confirm(&self, user: &UserId, name: &GroupName, asked: Moment) {
        for connection in self.connections_of(user) {
            connection.is_allowed(name, asked);
        }
        self.note_allowed(user, name, asked);
    }

    /// What the policy has allowed at `asked` holds for the seat too, if there is one.
    pub(super) fn note_allowed(&self, user: &UserId, name: &GroupName, asked: Moment) {
        if let Some(mut entry) = self.users.get_mut(user)
            && let Some(held) = entry.groups.get_mut(name)
        {
            held.allowed = held.allowed.max(asked);
        }
    }

    /// Ends a grace, unless the policy was asked after `asked` and has allowed the group: a user
    /// without a connection to the group leaves it now.
    fn evict(&self, user: &UserId, name: &GroupName, asked: Moment) {
        self.change(name, |group| {
            let allowed = self.users.get(user).and_then(|e| Some(e.groups.get(name)?.allowed));
            if allowed.is_none_or(|allowed| allowed < asked) && group.roster.evict(user) {
                self.unseat(user, name);
            }
        });
    }

    /// Notes, under the group's lock, that a user stays there by a grace alone. Gives the oldest
    /// grace where there are too many, which is to be [ended](Self::end_grace).
    pub(super) fn begin_grace(
        &self,
        user: &UserId,
        group: &GroupName,
        until: Instant,
    ) -> Option<Grace> {
        let mut entry = self.users.get_mut(user)?;
        let User { groups, graces, .. } = &mut *entry;
        let last = graces.last_key_value().map(|(last, _)| last.saturating_add(1));
        let number = last.unwrap_or(NonZeroU64::MIN);
        groups.get_mut(group)?.grace = Some(number);
        graces.insert(number, Grace { group: group.clone(), until });
        if graces.len() <= self.limits.graces_per_user {
            return None;
        }
        let (_, oldest) = graces.pop_first()?;
        if let Some(held) = groups.get_mut(&oldest.group) {
            held.grace = None;
        }
        Some(oldest)
    }

    /// How many graces of a user are counted.
    #[cfg(all(test, feature = "__shuttle"))]
    pub(super) fn graces_of(&self, user: &UserId) -> usize {
        self.users.get(user).map_or(0, |entry| entry.graces.len())
    }

    /// Notes, under the group's lock, that a user has a connection there again.
    pub(super) fn return_from_grace(&self, user: &UserId, group: &GroupName) {
        if let Some(mut entry) = self.users.get_mut(user)
            && let Some(number) = entry.groups.get_mut(group).and_then(|held| held.grace.take())
        {
            entry.graces.remove(&number);
        }
    }

    /// Ends a grace of too many, if it is still that one. No lock is held but a connection's.
    pub(super) fn end_grace(&self, user: &UserId, grace: &Grace, wakes: &mut Wakes) {
        let most = self.limits.graces_per_user;
        self.counters().reached.note("graces_per_user", most, Some(user));
        self.change_in(&grace.group, wakes, |group| {
            if group.roster.grace_of(user) == Some(grace.until) && group.roster.evict(user) {
                self.unseat(user, &grace.group);
            }
        });
    }

    pub(super) fn unseat(&self, user: &UserId, group: &GroupName) {
        self.change_user(user, |entry| {
            if let Some(number) = entry.groups.remove(group).and_then(|held| held.grace) {
                entry.graces.remove(&number);
            }
        });
    }

    /// Changes what is known of a user, and forgets one of whom nothing is left.
    pub(super) fn change_user(&self, user: &UserId, change: impl FnOnce(&mut User)) {
        if let Entry::Occupied(mut entry) = self.users.entry(user.clone()) {
            change(entry.get_mut());
            if entry.get().connections.is_empty() && entry.get().groups.is_empty() {
                entry.remove();
            }
        }
    }
}
