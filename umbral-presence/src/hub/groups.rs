//! The groups: each is in the map while somebody needs it.

use std::sync::Arc;

use dashmap::DashMap;

use crate::{group::GroupCell, hash::Keyed, name::GroupName};

/// The groups that have a subscriber, a watcher or a member.
#[derive(Debug, Default)]
pub(super) struct Groups(DashMap<GroupName, Arc<GroupCell>, Keyed>);

impl Groups {
    pub(super) fn get(&self, name: &GroupName) -> Option<Arc<GroupCell>> {
        self.0.get(name).map(|cell| cell.clone())
    }

    pub(super) fn get_or_add(
        &self,
        name: &GroupName,
        new: impl FnOnce() -> GroupCell,
    ) -> Arc<GroupCell> {
        if let Some(cell) = self.get(name) {
            return cell;
        }
        self.0.entry(name.clone()).or_insert_with(|| Arc::new(new())).clone()
    }

    /// Takes a group off the map, unless there is another one of its name by now.
    pub(super) fn forget(&self, cell: &Arc<GroupCell>) {
        self.0.remove_if(&cell.name, |_, other| Arc::ptr_eq(other, cell));
    }

    pub(super) fn all(&self) -> Vec<Arc<GroupCell>> {
        self.0.iter().map(|cell| cell.clone()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
