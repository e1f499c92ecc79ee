//! What is known of a user across groups and connections, and sending one away.

use std::{collections::HashSet, sync::Arc};

use dashmap::Entry;

use super::Hub;
use crate::{connection::Connection, group::GroupName, outbox::End, user::UserId};

/// Where one user is.
#[derive(Debug, Default)]
pub(super) struct User {
    pub(super) connections: Vec<Arc<Connection>>,
    /// Groups where the user has a seat, a grace included.
    pub(super) groups: HashSet<GroupName>,
}

impl Hub {
    /// Every connection of a user.
    pub(crate) fn connections_of(&self, user: &UserId) -> Vec<Arc<Connection>> {
        self.users.get(user).map_or_else(Vec::new, |entry| entry.connections.clone())
    }

    /// The groups where a user has a seat, a grace included.
    pub(super) fn seats_of(&self, user: &UserId) -> HashSet<GroupName> {
        self.users.get(user).map(|entry| entry.groups.clone()).unwrap_or_default()
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
        self.revocations.revoke(user);
        for connection in self.connections_of(user) {
            self.expel(&connection, End::Disconnected);
        }
        for name in self.seats_of(user) {
            self.evict(user, &name);
        }
    }

    /// Takes a user out of a group at once, with every connection.
    pub(crate) fn ban(&self, user: &UserId, name: &GroupName) {
        for connection in self.connections_of(user) {
            self.deny(&connection, name);
        }
        self.evict(user, name);
    }

    /// Takes one connection out of a group. Its user may not be there any longer, so no grace
    /// holds the place either.
    pub(crate) fn ban_connection(&self, connection: &Arc<Connection>, name: &GroupName) {
        self.deny(connection, name);
        if let Some(user) = &connection.user {
            self.evict(user, name);
        }
    }

    /// Ends a grace: a user without a connection to the group leaves it now.
    fn evict(&self, user: &UserId, name: &GroupName) {
        self.change(name, |group| {
            if group.roster.evict(user) {
                self.unseat(user, name);
            }
        });
    }

    pub(super) fn unseat(&self, user: &UserId, group: &GroupName) {
        self.change_user(user, |entry| {
            entry.groups.remove(group);
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
