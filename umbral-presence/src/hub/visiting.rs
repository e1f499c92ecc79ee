//! Waiting for what other nodes say: for a moment, since a store may be slow.

use std::{sync::Arc, time::Duration};

use super::{connection::Connection, core::Hub};
use crate::{
    clock::now,
    group::GroupCell,
    name::GroupName,
    store::{Nodes, Wait, whom::Whom},
};

/// So long a handshake waits: whatever the store is doing, people come in.
const PATIENCE: Duration = Duration::from_millis(250);

/// So long a question waits for what other nodes say of a group.
const ANSWER: Duration = Duration::from_secs(2);

/// A group that is served until this is dropped, though nobody here may be in it.
#[derive(Debug)]
pub(crate) struct Visit {
    hub: Arc<Hub>,
    cell: Arc<GroupCell>,
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut effects = self.hub.effects();
        let mut group = self.cell.lock_always();
        group.visitors -= 1;
        self.hub.settle(&self.cell, group, now(), &mut effects);
    }
}

impl Hub {
    /// Has what other nodes say of a group read, where this node does not know it. The answer is
    /// there while the visit lasts.
    pub(crate) async fn visit(self: &Arc<Self>, name: &GroupName) -> Option<Visit> {
        if !self.nodes.are_there() {
            return None;
        }
        let spec = self.owner(name)?;
        self.alarms.start(&self.me);
        self.nodes.start(&self.me);
        let (visit, wait) = loop {
            let mut effects = self.effects();
            let cell = self.cell(name, Some(&spec));
            let Some(mut group) = cell.lock() else {
                self.groups.forget(&cell);
                continue;
            };
            group.visitors += 1;
            let wait = group.roster.wait();
            self.settle(&cell, group, now(), &mut effects);
            break (Visit { hub: self.clone(), cell }, wait);
        };
        Nodes::wait_for_all(wait.into_iter().collect(), ANSWER).await;
        Some(visit)
    }

    /// Waits until the store has what was said of a connection's user, until it is known what other
    /// nodes say of the connection's groups, and until what is sent to them reaches this node.
    pub(crate) async fn settled(&self, connection: &Connection) {
        if !self.nodes.are_there() {
            return;
        }
        let mut waits: Vec<Wait> = Vec::new();
        if let Some(user) = connection.user() {
            waits.extend(self.nodes.wait(|| Whom::User(user.clone())));
        }
        for cell in connection.cells() {
            waits.extend(self.nodes.wait(|| Whom::Group(cell.name.clone())));
            let mut group = cell.lock_always();
            waits.extend(group.roster.wait());
            waits.extend(connection.user().and_then(|user| group.roster.wait_for(user)));
        }
        Nodes::wait_for_all(waits, PATIENCE).await;
    }
}
