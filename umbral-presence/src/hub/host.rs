//! What the hub is to the store between nodes.

use serde_json::value::RawValue;

use super::core::Hub;
use crate::{
    clock::now,
    name::GroupName,
    roster::View,
    store::{
        redis::{Facts, Host},
        whom::Whom,
    },
};

impl Host for Hub {
    fn change(&self, group: &GroupName, change: &mut dyn FnMut(&mut Facts, &mut View)) -> bool {
        let mut effects = self.effects();
        let Some(cell) = self.groups.get(group) else {
            return false;
        };
        let Some(mut state) = cell.lock() else {
            return false;
        };
        let Some((shared, view)) = state.roster.parts() else {
            return false;
        };
        shared.change(view, change);
        self.settle(&cell, state, now(), &mut effects);
        true
    }

    fn serves(&self, whom: &Whom) -> bool {
        match whom {
            Whom::Group(group) => self.groups.get(group).is_some(),
            Whom::User(user) => self.users.get(user).is_some_and(|user| user.is_connected()),
            Whom::Everybody => true,
        }
    }

    fn deliver(&self, whom: &Whom, event: &str, data: &RawValue) {
        self.send(whom, event, data);
    }

    fn count_unsent(&self, letters: u64) {
        self.counters().unsent.add(letters);
    }

    fn count_unreadable(&self) {
        self.counters().unreadable.add(1);
    }
}
