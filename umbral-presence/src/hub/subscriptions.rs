//! Connections joining and leaving groups.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::{GroupCell, Hub, group::Resolved, now};
use crate::{
    connection::{Connection, Subscriptions},
    group::GroupName,
    spec::PresenceSpec,
    user::UserId,
};

/// What a change of a connection's groups has come to.
#[derive(Debug, Default)]
pub(crate) struct Replaced {
    /// The number of the newest call that was heeded.
    pub(crate) number: u64,
    pub(crate) joined: Vec<GroupName>,
    pub(crate) left: Vec<GroupName>,
}

impl Hub {
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

    pub(super) fn leave(&self, cell: &Arc<GroupCell>, connection: &Connection, goodbye: bool) {
        let mut group = cell.0.lock();
        if group.unsubscribe(connection, goodbye, now())
            && let Some(user) = &connection.user
        {
            self.unseat(user, &group.name);
        }
        self.settle(cell, group);
    }
}

fn resolve(spec: &PresenceSpec, user: &UserId, group: &GroupName) -> Option<Box<RawValue>> {
    let payload = spec.resolver.resolve(user);
    if payload.is_none() {
        tracing::error!(
            %user, %group, spec = %spec.place(),
            "the resolver panicked; the member is not shown"
        );
    }
    payload
}
