//! One group as all nodes know it, and who waits for something to be known of it.

use std::time::{Duration, Instant};

use super::{
    node::Facts,
    waits::{Wait, Waits},
};
use crate::{
    hash::KeyedMap,
    name::UserId,
    roster::{Answer, View},
};

/// So long a group that is new to this node waits for what other nodes say of it.
const PATIENCE: Duration = Duration::from_millis(250);

/// What all nodes say of one group. It is under the group's lock.
#[derive(Debug)]
pub(crate) struct Shared {
    facts: Facts,
    /// The task is to look at the group.
    is_due: bool,
    /// Until when nobody is told of the group; `None` once it is known what other nodes say.
    holds_until: Option<Instant>,
    /// Those who wait until what is said of a user is stored.
    for_users: KeyedMap<UserId, Waits>,
    /// Those who wait until the group has been read.
    for_all: Waits,
}

impl Shared {
    /// A group that is new to this node.
    pub(crate) fn new(is_alone: bool, now: Instant) -> Self {
        Self {
            facts: Facts::new(is_alone),
            is_due: true,
            holds_until: (!is_alone).then_some(now + PATIENCE),
            for_users: KeyedMap::default(),
            for_all: Waits::default(),
        }
    }

    /// Says that a user is here and shown like this, or here no more.
    pub(crate) fn say(&mut self, user: &UserId, answer: Option<Answer>, view: &mut View) {
        self.is_due |= self.facts.want(user, answer, view);
        self.settle();
    }

    /// Whether a user is connected to this node and shown.
    pub(crate) fn is_here(&self, user: &UserId) -> bool {
        self.facts.is_here(user)
    }

    /// Whether a user is shown, by the word of whatever node.
    pub(crate) fn is_shown(&self, user: &UserId) -> bool {
        self.facts.is_shown(user)
    }

    /// Whether nothing would be lost if the group were forgotten here.
    pub(crate) fn is_idle(&self) -> bool {
        self.facts.is_idle()
    }

    /// Until when nobody is told of the group.
    pub(crate) fn holds_until(&self) -> Option<Instant> {
        self.holds_until
    }

    /// Whether the task is to look at the group, since the last call.
    pub(crate) fn take_due(&mut self) -> bool {
        std::mem::take(&mut self.is_due)
    }

    /// Changes what is known of the group.
    pub(crate) fn change(
        &mut self,
        view: &mut View,
        change: &mut dyn FnMut(&mut Facts, &mut View),
    ) {
        change(&mut self.facts, view);
        self.settle();
    }

    /// Whether it is known what other nodes say, or is not to be had.
    fn is_known(&self) -> bool {
        self.facts.is_read() || self.facts.is_alone()
    }

    /// Lets those go on whose wait is over.
    fn settle(&mut self) {
        for user in self.facts.take_settled() {
            self.for_users.remove(&user);
        }
        if self.is_known() {
            self.holds_until = None;
            self.for_all = Waits::default();
        }
    }

    /// To be waited for until the group has been read, where it has not been.
    pub(crate) fn wait(&mut self) -> Option<Wait> {
        (!self.is_known()).then(|| self.for_all.add())
    }

    /// To be waited for until what is said of a user is stored, where it is not.
    pub(crate) fn wait_for(&mut self, user: &UserId) -> Option<Wait> {
        let waits = self.facts.await_stored(user);
        waits.then(|| self.for_users.entry(user.clone()).or_default().add())
    }
}
