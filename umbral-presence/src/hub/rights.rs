//! Where users are, and sending away those who may not be there.

use std::{collections::HashSet, sync::Arc, time::Instant};

use super::{
    connection::Connection,
    core::Hub,
    effects::Effects,
    revocations::{Moment, Outdated, Subject},
    sign_in::SignIn,
    users::{Grace, User, Whereabouts},
};
use crate::{
    clock::now,
    connection::End,
    name::{GroupName, SessionId, UserId},
};

impl Hub {
    /// Every connection of a user.
    pub(crate) fn connections_of(&self, user: &UserId) -> Vec<Arc<Connection>> {
        self.users.get(user).map_or_else(Vec::new, |user| self.connections_by_user(&user))
    }

    fn connections_by_user(&self, user: &User) -> Vec<Arc<Connection>> {
        user.connections().into_iter().filter_map(|id| self.connections.get(id)).collect()
    }

    /// Whether a user is connected, or has a seat by a grace.
    pub(crate) fn knows(&self, user: &UserId) -> bool {
        self.users.get(user).is_some()
    }

    /// The groups that a user is a member of, by name.
    pub(crate) fn groups_of(&self, user: &UserId) -> Vec<GroupName> {
        let seats = self.users.get(user).map_or_else(Vec::new, |user| user.seats()).into_iter();
        let shown = seats.filter(|(cell, seat)| cell.lock_always().roster.is_shown(*seat));
        shown.map(|(cell, _)| cell.name.clone()).collect()
    }

    /// The groups that a user has anything to do with: as a subscriber or by a seat.
    pub(crate) fn reach_of(&self, user: &UserId) -> HashSet<GroupName> {
        let Some(user) = self.users.get(user) else {
            return HashSet::new();
        };
        let seats = user.seats().into_iter();
        let mut groups: HashSet<_> = seats.map(|(cell, _)| cell.name.clone()).collect();
        for connection in self.connections_by_user(&user) {
            groups.extend(connection.groups());
        }
        groups
    }

    /// The users who have anything to do with a group: by a seat or, where the group has no
    /// presence, as a subscriber.
    pub(crate) fn users_in(&self, name: &GroupName) -> HashSet<UserId> {
        let seated = self.with_group(name, |group| group.roster.users().cloned().collect());
        let mut users: HashSet<_> = seated.unwrap_or_default();
        let inside = self.connections_in(name).into_iter();
        users.extend(inside.filter_map(|connection| connection.user().cloned()));
        users
    }

    /// The anonymous connections that are in a group.
    pub(crate) fn anonymous_in(&self, name: &GroupName) -> Vec<Arc<Connection>> {
        let mut connections = self.connections_in(name);
        connections.retain(|connection| connection.user().is_none());
        connections
    }

    /// The connections that are in a group. It looks at all connections and not at those that the
    /// group knows: one that is just coming in, with a stale answer, must be waited for.
    fn connections_in(&self, name: &GroupName) -> Vec<Arc<Connection>> {
        let mut connections = self.all_connections();
        connections.retain(|connection| connection.is_in(name));
        connections
    }

    /// Notes that the policy, asked at `asked`, has allowed a user to be in a group.
    pub(crate) fn confirm(&self, user: &UserId, name: &GroupName, asked: Moment) {
        let Some(user) = self.users.get(user) else {
            return;
        };
        for connection in self.connections_by_user(&user) {
            connection.is_allowed(name, asked);
        }
        user.lock().note_allowed(name, asked);
    }

    /// Ends every connection of a user, who leaves all groups at once.
    pub(crate) fn disconnect(&self, user: &UserId) {
        self.disconnect_all_of_before(user, None);
    }

    /// The same, of what was said then and is heard of late: whoever has been identified since has
    /// signed in again.
    pub(crate) fn disconnect_all_of_before(&self, user: &UserId, then: Option<Instant>) {
        self.revocations.revoke(Subject::User(user));
        let Some(user) = self.users.get(user) else {
            return;
        };
        let mut is_back = false;
        for connection in self.connections_by_user(&user) {
            if connection.is_of_before(then) {
                self.expel(&connection, End::Disconnected);
            } else {
                is_back = true;
            }
        }
        if is_back {
            return;
        }
        let names: Vec<_> = user.seats().into_iter().map(|(cell, _)| cell.name.clone()).collect();
        for name in names {
            self.evict(&user, &name, Moment::END);
        }
    }

    /// Ends every connection of one session. The user stays with the connections of others.
    pub(crate) fn end_session(&self, session: &SessionId) {
        self.end_session_of_before(session, None);
    }

    /// The same, of what was said then and is heard of late.
    pub(crate) fn end_session_of_before(&self, session: &SessionId, then: Option<Instant>) {
        self.revocations.revoke(Subject::Session(session));
        for connection in self.connections.of_session(session) {
            if connection.is_of_before(then) {
                self.expel(&connection, End::Disconnected);
            }
        }
    }

    /// Notes that the request of a connection has been found to be its user's, which the identity
    /// resolver, asked at `asked`, said.
    pub(crate) fn identified(
        &self,
        connection: &Connection,
        sign_in: Option<&SignIn>,
        asked: Moment,
    ) -> Result<(), Outdated> {
        let session = SignIn::session_of(sign_in);
        let mut subscriptions = connection.subscriptions.lock();
        if subscriptions.identified >= asked || subscriptions.ended {
            return Ok(());
        }
        let before = std::mem::replace(&mut subscriptions.session, session.cloned());
        // First: whoever ends the session either finds the connection or is seen by the check.
        self.connections.change_session(connection.id(), before.as_ref(), session);
        self.revocations.check_session(session, asked)?;
        subscriptions.identified = asked;
        subscriptions.identified_at = Some(now());
        subscriptions.until = sign_in.and_then(|it| it.until);
        Ok(())
    }

    /// Takes a user out of groups at once, with every connection, since the policy, asked at
    /// these moments, has not allowed them. Where it was asked later and did the user stays; a yes
    /// that it was asked for earlier lets nobody in any more.
    pub(crate) fn ban(&self, user: &UserId, names: &[(GroupName, Moment)]) {
        // First: a connection that comes in with such a yes either is found below or sees this.
        for (_, asked) in names {
            self.revocations.overrule(Subject::User(user), *asked);
        }
        let Some(user) = self.users.get(user) else {
            return;
        };
        for connection in self.connections_by_user(&user) {
            self.deny(&connection, names);
        }
        for (name, asked) in names {
            self.evict(&user, name, *asked);
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

    /// Ends a grace, unless the policy was asked after `asked` and has allowed the group: a user
    /// without a connection to the group leaves it now.
    fn evict(&self, user: &Arc<User>, name: &GroupName, asked: Moment) {
        let mut effects = self.effects();
        self.users.change(user, |at| {
            let held = at.get_mut(name).filter(|held| held.allowed < asked);
            let Some((cell, seat)) = held.map(|held| (held.cell.clone(), held.seat)) else {
                return;
            };
            self.change(&cell, &mut effects, |group| {
                if group.roster.evict(seat) {
                    at.unseat(&cell, seat);
                }
            });
        });
    }

    /// Ends a grace of too many, if it is still that one.
    pub(super) fn end_grace(
        &self,
        user: &UserId,
        at: &mut Whereabouts,
        grace: &Grace,
        effects: &mut Effects<'_>,
    ) {
        let Grace { cell, seat, until } = grace;
        let most = self.limits.graces_per_user;
        self.counters().reached.note("graces_per_user", most, Some(user));
        self.change(cell, effects, |group| {
            if group.roster.grace_of(*seat) == Some(*until) && group.roster.evict(*seat) {
                at.unseat(cell, *seat);
            }
        });
    }
}
