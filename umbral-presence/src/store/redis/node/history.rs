//! What a node is told, and whether it follows on what it knows.

use std::{mem, time::Instant};

use super::{
    facts::Told,
    shard::{Chance, Groups, Shard},
    words::{Message, News, Position, Said, Version},
};

impl<C: Chance> Shard<C> {
    /// A message has come, over the connection that there is.
    pub(crate) fn heard(&mut self, message: Message, now: Instant, groups: &mut impl Groups) {
        let Message { at, before, node, news } = message;
        if Some(at.generation) != self.generation {
            self.begin_again(at, now, groups);
        } else if at.version <= self.known {
            return;
        } else if before < self.known {
            // It follows on what is not the last that was told: that has been lost.
            self.begin_again(at, now, groups);
        } else if before > self.known {
            self.missed(before, groups);
        }
        self.known = at.version;
        let is_ours = node.process() == self.last.process();
        match news {
            News::Said(said) => {
                for said in said.chunk_by(|one, next| one.group == next.group) {
                    self.with(&said[0].group, groups, |facts, view| {
                        for Said { user, payload, .. } in said {
                            let (version, user) = (at.version, user.clone());
                            let payload = payload.clone();
                            facts.told(Told { version, node, is_ours, user, payload }, view);
                        }
                    });
                }
            }
            News::Dead => {
                self.each(groups, |facts, view| facts.dead(at.version, node, view));
                if Some(node) == self.us {
                    self.refused(now, groups);
                }
            }
        }
        self.settle(groups);
        self.release(groups);
    }

    /// Whether the shard is not what it was when it was known up to `asked`.
    pub(super) fn is_another_history(&self, at: Position, asked: Version) -> bool {
        Some(at.generation) != self.generation || at.version < asked
    }

    /// What the store holds is not what was known: it is read again, and who is missing there is
    /// kept for a while.
    pub(super) fn begin_again(&mut self, at: Position, now: Instant, groups: &mut impl Groups) {
        let is_first = self.generation.replace(at.generation).is_none();
        self.known = at.version;
        self.awaited = at.version;
        if !is_first {
            (self.hold_until, self.release_at) = (Some(now + self.timing.lease), None);
            // Older data may hold facts of this node in groups that it has left since. They end with
            // the registration.
            self.give_up();
            (self.heartbeat, self.heartbeat_at) = (None, now);
        }
        if let Some(reading) = &mut self.reading {
            reading.is_void = true;
        }
        // What was asked before may be answered out of the new history.
        self.say_batch_again(groups);
        for (_, users) in mem::take(&mut self.stored) {
            self.say_again(&users, groups);
        }
        self.each(groups, |facts, _| facts.missed());
    }
}
