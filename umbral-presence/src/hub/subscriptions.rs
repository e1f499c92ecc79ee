//! Connections joining and leaving groups.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{GroupCell, Hub, Moment, Outdated, now};
use crate::{
    connection::{Connection, Subscriptions},
    group::GroupName,
    roster::Answer,
    spec::PresenceSpec,
    user::UserId,
};

/// For how long nobody leaves after the last connections of a server that is going down have
/// been ended: while that is under way, those who are left must not see the others go.
const LINGER: Duration = Duration::from_secs(3);

/// What a change of a connection's groups has come to.
#[derive(Debug, Default)]
pub(crate) struct Replaced {
    /// The number of the newest call that was heeded.
    pub(crate) number: u64,
    pub(crate) joined: Vec<GroupName>,
    pub(crate) left: Vec<GroupName>,
}

/// Why a connection's groups were not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unchanged {
    /// The connection has ended.
    Ended,
    /// What the policy has said no longer holds: ask again.
    Outdated,
}

impl From<Outdated> for Unchanged {
    fn from(_: Outdated) -> Self {
        Self::Outdated
    }
}

/// A group that a connection is about to join, with what the application says of it. That
/// is found out before anything is locked.
struct Entrance {
    name: GroupName,
    spec: Option<Arc<PresenceSpec>>,
    /// The resolver was asked, and has answered or failed.
    asked: bool,
    answer: Option<Answer>,
}

impl Hub {
    /// Subscribes a connection to these groups, which the policy, asked at `asked`, has
    /// allowed, besides those in `held`, in which it must still be. One that has ended is in no
    /// group and joins none. `tell` says so to the client, before anything can change that.
    pub(crate) fn subscribe(
        &self,
        connection: &Arc<Connection>,
        names: &[GroupName],
        held: &[GroupName],
        asked: Moment,
        tell: impl FnOnce(),
    ) -> Result<(), Outdated> {
        let entrances = self.entrances(connection, names);
        let mut unshown = Vec::new();
        {
            let mut subscriptions = connection.subscriptions.lock();
            self.revocations.check(connection.user.as_ref(), asked)?;
            if !held.iter().all(|name| subscriptions.groups.contains_key(name)) {
                return Err(Outdated);
            }
            for entrance in entrances {
                self.join(connection, &mut subscriptions, entrance, &mut unshown);
            }
            tell();
        }
        if let Some(user) = &connection.user {
            self.show(user, unshown);
        }
        Ok(())
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

    /// Takes a connection out of a group that its user may not be in any longer, and tells
    /// the client so; nothing of the group comes after that.
    pub(super) fn deny(&self, connection: &Arc<Connection>, name: &GroupName) {
        let mut subscriptions = connection.subscriptions.lock();
        if let Some(cell) = subscriptions.groups.remove(name) {
            self.leave(&cell, connection, true);
            self.tell(connection, "@denied", &json!({ "group": name }));
        }
    }

    /// Makes `kept` and `new` together the whole set of a connection's groups, unless a
    /// newer call than `number` has been heeded. The policy, asked at `asked`, has allowed
    /// the new ones; those that are kept must still be there.
    pub(crate) fn replace(
        &self,
        connection: &Arc<Connection>,
        number: u64,
        kept: &[GroupName],
        new: &[GroupName],
        asked: Moment,
    ) -> Result<Replaced, Unchanged> {
        let entrances = self.entrances(connection, new);
        let (mut joined, mut unshown) = (Vec::new(), Vec::new());
        let mut subscriptions = connection.subscriptions.lock();
        if subscriptions.ended {
            return Err(Unchanged::Ended);
        }
        if number < subscriptions.number {
            return Ok(Replaced { number: subscriptions.number, ..Replaced::default() });
        }
        self.revocations.check(connection.user.as_ref(), asked)?;
        if !kept.iter().all(|name| subscriptions.groups.contains_key(name)) {
            return Err(Unchanged::Outdated);
        }
        subscriptions.number = number;
        let mut left: Vec<_> = subscriptions.groups.keys().cloned().collect();
        left.retain(|name| !kept.contains(name) && !new.contains(name));
        for name in &left {
            if let Some(cell) = subscriptions.groups.remove(name) {
                self.leave(&cell, connection, true);
            }
        }
        for entrance in entrances {
            let name = entrance.name.clone();
            if self.join(connection, &mut subscriptions, entrance, &mut unshown) {
                joined.push(name);
            }
        }
        drop(subscriptions);
        if let Some(user) = &connection.user {
            self.show(user, unshown);
        }
        Ok(Replaced { number, joined, left })
    }

    /// Has a connection take the snapshots of these groups once more, where it is in them.
    pub(crate) fn resync(&self, connection: &Connection, names: &[GroupName]) {
        for name in names {
            self.with_group(name, |group| group.resync(connection));
        }
    }

    fn entrances(&self, connection: &Connection, names: &[GroupName]) -> Vec<Entrance> {
        let user = connection.user.as_ref();
        names.iter().map(|name| self.entrance(user, name)).collect()
    }

    fn entrance(&self, user: Option<&UserId>, name: &GroupName) -> Entrance {
        let known = self.with_group(name, |group| {
            let wants_payload = user.is_some_and(|user| group.roster.wants_payload(user));
            (group.spec.clone(), wants_payload)
        });
        let (spec, wants_payload) = known.unwrap_or_else(|| (self.matcher.owner(name), true));
        let (mut asked, mut answer) = (false, None);
        if let (Some(spec), Some(user)) = (&spec, user)
            && wants_payload
            && !spec.resolver.is_batch()
        {
            (asked, answer) = (true, self.resolve(spec, user, name));
        }
        Entrance { name: name.clone(), spec, asked, answer }
    }

    /// Whether the connection was not in the group and now is. Where its user is still to be
    /// shown there, the group is added to `unshown`.
    fn join(
        &self,
        connection: &Arc<Connection>,
        subscriptions: &mut Subscriptions,
        entrance: Entrance,
        unshown: &mut Vec<GroupName>,
    ) -> bool {
        let Entrance { name, spec, asked, answer } = entrance;
        if subscriptions.ended || subscriptions.groups.contains_key(&name) {
            return false;
        }
        let (cell, ()) = self.group(&name, spec.as_ref(), |group| {
            let newly_seated = group.subscribe(connection, answer);
            if let Some(user) = connection.user.as_ref().filter(|_| group.spec.is_some()) {
                if newly_seated {
                    self.users.entry(user.clone()).or_default().groups.insert(name.clone());
                }
                if !asked && group.roster.is_hidden(user) {
                    unshown.push(name.clone());
                }
            }
        });
        subscriptions.groups.insert(name, cell);
        true
    }

    pub(super) fn leave(&self, cell: &Arc<GroupCell>, connection: &Connection, goodbye: bool) {
        let mut group = cell.0.lock();
        // Who goes elsewhere because this server is going down has not left.
        let stays_until = self.drain_until.get().map(|until| *until + LINGER);
        if group.unsubscribe(connection, goodbye, stays_until, now())
            && let Some(user) = &connection.user
        {
            self.unseat(user, &group.name);
        }
        self.settle(cell, group);
    }
}
