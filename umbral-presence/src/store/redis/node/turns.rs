//! Groups that take turns: the first that came is the first to be served, so that none waits for
//! ever.

use std::collections::{BTreeSet, VecDeque};

use crate::name::GroupName;

/// It does not pay to forget fewer.
const FEW: usize = 64;

/// Groups that wait, each once.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// In the order in which they came. One that does not wait any more counts for nothing.
    queue: VecDeque<GroupName>,
    waiting: BTreeSet<GroupName>,
}

impl Turns {
    pub(super) fn insert(&mut self, group: &GroupName) {
        if self.waiting.insert(group.clone()) {
            self.queue.push_back(group.clone());
        }
    }

    pub(super) fn remove(&mut self, group: &GroupName) {
        self.waiting.remove(group);
        if self.queue.len() > 2 * self.waiting.len() + FEW {
            let waiting = &self.waiting;
            let mut seen = BTreeSet::new();
            self.queue.retain(|group| waiting.contains(group) && seen.insert(group.clone()));
        }
    }

    /// Takes the one that has waited longest.
    pub(super) fn pop(&mut self) -> Option<GroupName> {
        while let Some(group) = self.queue.pop_front() {
            if self.waiting.remove(&group) {
                return Some(group);
            }
        }
        None
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
