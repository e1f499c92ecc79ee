//! What a node says: one batch is on its way at a time, and what is stored is known to be right when
//! all up to it has been heard.

use std::time::Instant;

use super::{
    shard::{Chance, Groups, Shard},
    under_way::Batch,
    words::{Position, Request, Said},
};
use crate::name::{GroupName, UserId};

/// So much is said in one batch.
const BATCH: usize = 256;

/// The users of one group after the other, where they stand together: a group is used once for all
/// of them.
fn of_one_group(users: &[(GroupName, UserId)]) -> impl Iterator<Item = &[(GroupName, UserId)]> {
    users.chunk_by(|(one, _), (next, _)| one == next)
}

impl<C: Chance> Shard<C> {
    pub(super) fn batch(&mut self, groups: &mut impl Groups) -> Option<Request> {
        let node = self.us?;
        let mut said: Vec<Said> = Vec::new();
        while said.len() < BATCH
            && let Some(group) = self.unsaid.pop()
        {
            let most = BATCH - said.len();
            let rest = groups.with(&group, |facts, _| {
                facts.say(&group, most, &mut said);
                facts.is_unsaid()
            });
            if rest == Some(true) {
                self.unsaid.insert(&group);
            }
        }
        if said.is_empty() {
            return None;
        }
        let users = said.iter().map(|said| (said.group.clone(), said.user.clone())).collect();
        self.batch = Some(Batch { users, known: self.known });
        Some(Request::Apply { node, epoch: self.epoch, said })
    }

    pub(super) fn applied(&mut self, at: Position, now: Instant, groups: &mut impl Groups) {
        let Some(batch) = self.batch.take() else {
            return;
        };
        if self.is_another_history(at, batch.known) {
            self.say_again(&batch.users, groups);
            return self.begin_again(at, now, groups);
        }
        for users in of_one_group(&batch.users) {
            groups.with(&users[0].0, |facts, _| {
                users.iter().for_each(|(_, user)| facts.stored(user, at.version));
            });
        }
        self.stored.push_back((at.version, batch.users));
        self.settle(groups);
    }

    /// It is not known whether this is stored.
    pub(super) fn say_again(&mut self, users: &[(GroupName, UserId)], groups: &mut impl Groups) {
        for users in of_one_group(users) {
            self.with(&users[0].0, groups, |facts, _| {
                users.iter().for_each(|(_, user)| facts.say_again(user));
            });
        }
    }

    /// No answer to the batch is waited for any more.
    pub(super) fn say_batch_again(&mut self, groups: &mut impl Groups) {
        if let Some(batch) = self.batch.take() {
            self.say_again(&batch.users, groups);
        }
    }

    /// What is stored and has been told is as it was said, or the group is read.
    pub(super) fn settle(&mut self, groups: &mut impl Groups) {
        while self.stored.front().is_some_and(|(at, _)| *at <= self.known)
            && let Some((_, users)) = self.stored.pop_front()
        {
            let (known, us) = (self.known, self.us);
            for users in of_one_group(&users) {
                self.with(&users[0].0, groups, |facts, view| {
                    users.iter().for_each(|(_, user)| facts.reached(user, known, us, view));
                });
            }
        }
    }
}
