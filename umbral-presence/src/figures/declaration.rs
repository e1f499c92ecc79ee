//! The figures of a declaration. Their number does not grow with that of its groups.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::{counter::Counter, roster::Change};

/// The figures of one declaration. A clone is the same figures.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared(Arc<Figures>);

#[derive(Debug, Default)]
struct Figures {
    joins: Counter,
    leaves: Counter,
    updates: Counter,
    cancelled: Counter,
    /// The groups on the hub's map.
    groups: AtomicUsize,
    /// The seats in them.
    members: AtomicUsize,
}

impl Declared {
    pub(crate) fn joins(&self) -> u64 {
        self.0.joins.get()
    }

    pub(crate) fn leaves(&self) -> u64 {
        self.0.leaves.get()
    }

    pub(crate) fn updates(&self) -> u64 {
        self.0.updates.get()
    }

    pub(crate) fn cancelled(&self) -> u64 {
        self.0.cancelled.get()
    }

    pub(crate) fn groups(&self) -> usize {
        self.0.groups.load(Ordering::Relaxed)
    }

    pub(crate) fn members(&self) -> usize {
        self.0.members.load(Ordering::Relaxed)
    }
}

/// All declarations of one `Realtime`, by their names.
#[derive(Debug, Default)]
pub(crate) struct Declarations(Vec<(Arc<str>, Declared)>);

impl Declarations {
    /// The figures of a declaration of this name. Specs that a loop makes stand at one place, and
    /// have one name.
    pub(crate) fn add(&mut self, name: impl FnOnce() -> String) -> Declared {
        let name = name();
        if let Some((_, declared)) = self.0.iter().find(|(known, _)| **known == *name) {
            return declared.clone();
        }
        let declared = Declared::default();
        self.0.push((name.into(), declared.clone()));
        declared
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Declared)> {
        self.0.iter().map(|(name, declared)| (name, declared))
    }
}

/// What one group adds to the figures of its declaration, under the lock of the group. It takes its
/// part back when it is dropped.
#[derive(Debug)]
pub(crate) struct Tally {
    /// `None` where no spec owns the group, and where the group is off the map.
    of: Option<Declared>,
    /// How many members it has added.
    members: usize,
}

impl Tally {
    /// Counts a new group.
    pub(crate) fn of(declared: Option<&Declared>) -> Self {
        if let Some(Declared(figures)) = declared {
            figures.groups.fetch_add(1, Ordering::Relaxed);
        }
        Self { of: declared.cloned(), members: 0 }
    }

    /// The group has so many members now.
    pub(crate) fn has(&mut self, members: usize) {
        let before = self.members;
        if let Some(Declared(figures)) = self.of.as_ref().filter(|_| before != members) {
            if members > before {
                figures.members.fetch_add(members - before, Ordering::Relaxed);
            } else {
                figures.members.fetch_sub(before - members, Ordering::Relaxed);
            }
            self.members = members;
        }
    }

    /// The group has told these changes.
    pub(crate) fn told(&self, changes: &[Change]) {
        let Some(Declared(figures)) = self.of.as_ref().filter(|_| !changes.is_empty()) else {
            return;
        };
        let (mut joins, mut leaves, mut updates) = (0, 0, 0);
        for change in changes {
            match change {
                Change::Joined(_) => joins += 1,
                Change::Left(_) => leaves += 1,
                Change::Updated(_) => updates += 1,
            }
        }
        figures.joins.add(joins);
        figures.leaves.add(leaves);
        figures.updates.add(updates);
    }

    /// So many changes came to nothing.
    pub(crate) fn cancelled(&self, count: u64) {
        if let Some(Declared(figures)) = &self.of {
            figures.cancelled.add(count);
        }
    }

    /// The group is off the map.
    pub(crate) fn end(&mut self) {
        self.has(0);
        if let Some(Declared(figures)) = self.of.take() {
            figures.groups.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_group_has_added_is_taken_back_once() {
        let declared = Declared::default();
        let figures = || (declared.groups(), declared.members());
        let mut group = Tally::of(Some(&declared));
        let mut other = Tally::of(Some(&declared));
        group.has(3);
        other.has(2);
        group.has(1);
        assert_eq!(figures(), (2, 3));
        group.end();
        assert_eq!(figures(), (1, 2));
        drop(group);
        assert_eq!(figures(), (1, 2));
        drop(other);
        assert_eq!(figures(), (0, 0));
    }

    #[test]
    fn specs_of_one_place_have_the_same_figures() {
        let mut declarations = Declarations::default();
        let first = declarations.add(|| "src/main.rs:1:2".to_owned());
        let other = declarations.add(|| "src/main.rs:1:2".to_owned());
        declarations.add(|| "chat::Room".to_owned());
        let _groups = [Tally::of(Some(&first)), Tally::of(Some(&other))];
        let names: Vec<_> = declarations.iter().map(|(name, d)| (&**name, d.groups())).collect();
        assert_eq!(names, [("src/main.rs:1:2", 2), ("chat::Room", 0)]);
    }
}
