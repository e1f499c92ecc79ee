//! Asks again, while connections are open, who their users are and which groups they may be in.
//!
//! ```text
//! a connection opens ─▶ its party waits for a random part of the interval ─▶ is asked about
//!                            ▲                                                    │
//!                            └── one interval after it was due, while it is there ┘
//! ```
//!
//! A party is a user with all connections, or one anonymous visitor. The questions about a party
//! wait for no other party's answers, unless [`AT_ONCE`] parties are being asked about.

use std::{
    collections::{HashMap, hash_map::Entry},
    panic::AssertUnwindSafe,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, future::join, stream};
use http::request::Parts;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::time::{DelayQueue, delay_queue::Key};

use super::{
    door::{Door, Whose},
    head::{Keeps, TooLong},
    task::Task,
};
use crate::{
    ask::Unanswered,
    chance::part_of,
    connection::End,
    hub::{Connection, Hub, KeptRequest, Moment, Subject},
    name::{ConnectionId, GroupName, UserId},
};

/// At most so many parties are asked about at once.
const AT_ONCE: usize = 256;

/// At most so many questions about one party are under way at once.
const OF_ONE_PARTY: usize = 8;

/// At most so many questions about one group are under way at once.
const OF_ONE_GROUP: usize = 64;

/// The pause between two searches for parties that are gone.
const FORGET: Duration = Duration::from_secs(60);

/// The longest interval.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A question that is late is logged if it is late by more than this part of the interval and by
/// more than this time.
const TOLERANCE: (u32, Duration) = (10, Duration::from_millis(100));

/// The rule of `recheck_every`, if there is one, and the way to the task that follows it.
#[derive(Debug, Default)]
pub(crate) struct Recheck {
    rule: Option<Rule>,
    task: Task<Party>,
}

#[derive(Debug)]
struct Rule {
    every: Duration,
    /// `None` if there is no identity resolver.
    keeps: Option<Keeps>,
}

/// The questions about one party are asked together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Party {
    User(UserId),
    /// An anonymous visitor with one connection.
    Visitor(ConnectionId),
}

impl Party {
    fn of(connection: &Connection) -> Self {
        connection.user().cloned().map_or(Self::Visitor(connection.id()), Self::User)
    }

    fn is_in(&self, hub: &Hub) -> bool {
        match self {
            Self::User(user) => hub.knows(user),
            Self::Visitor(id) => hub.connection(*id).is_some(),
        }
    }
}

impl Recheck {
    /// Asks again once in `interval`. Of a request it keeps this for the identity resolver, if there
    /// is one.
    pub(crate) fn every(interval: Duration, keeps: Option<Keeps>) -> Self {
        if let Some(keeps) = &keeps {
            tracing::info!(
                headers = %keeps.in_words(), every = ?interval,
                "with `recheck_every` the identity resolver gets these headers of a request, no \
                 others and no extensions; `recheck_headers` and `recheck_extension` name more"
            );
        }
        let rule = Rule { every: interval.min(LONGEST), keeps };
        Self { rule: Some(rule), task: Task::default() }
    }

    /// The part of a request's head that is kept.
    pub(crate) fn kept(&self, parts: &Parts) -> Result<Option<KeptRequest>, TooLong> {
        let keeps = self.rule.as_ref().and_then(|rule| rule.keeps.as_ref());
        let kept = keeps.map(|keeps| keeps.of(parts)).transpose()?;
        Ok(kept.map(|parts| KeptRequest(Arc::new(parts))))
    }

    /// Adds the party of a connection to those that are asked about.
    pub(crate) fn watch(&self, door: &Arc<Door>, connection: &Connection) {
        let Some(rule) = &self.rule else {
            return;
        };
        let run = |arrivals| run(arrivals, Arc::downgrade(door), rule.every);
        self.task.send(Party::of(connection), run);
    }
}

/// All parties. A party waits in `due`, or is being asked about.
#[derive(Default)]
struct Parties {
    due: DelayQueue<Party>,
    /// The place of each party in the queue, or `None` while it is being asked about.
    places: HashMap<Party, Option<Key>>,
}

impl Parties {
    /// Adds a party that is not there yet. Its time is random, so that parties that come together
    /// are not asked about together.
    fn arrive(&mut self, party: Party, every: Duration) {
        if let Entry::Vacant(place) = self.places.entry(party) {
            let key = self.due.insert(place.key().clone(), part_of(every));
            place.insert(Some(key));
        }
    }

    /// The next party that is due, and since when.
    async fn next(&mut self) -> Option<(Party, Instant)> {
        let expired = self.due.next().await?;
        let deadline = expired.deadline();
        let party = expired.into_inner();
        self.places.insert(party.clone(), None);
        Some((party, deadline))
    }

    /// Puts a party that has been asked about back into the queue.
    fn again(&mut self, party: Party, at: Instant) {
        let key = self.due.insert_at(party.clone(), at);
        self.places.insert(party, Some(key));
    }

    /// Forgets the parties that wait and are gone. If the interval is long, there may be far more of
    /// them than connections.
    fn forget(&mut self, is_there: impl Fn(&Party) -> bool) {
        let due = &mut self.due;
        self.places.retain(|party, key| {
            let gone = key.take_if(|_| !is_there(party));
            if let Some(key) = &gone {
                due.remove(key);
            }
            gone.is_none()
        });
        self.places.shrink_to(2 * self.places.len());
        self.due.compact();
    }
}

/// The task. It ends when the application is gone, and the sending half with it.
async fn run(mut arrivals: mpsc::UnboundedReceiver<Party>, door: Weak<Door>, every: Duration) {
    let (mut parties, mut asking) = (Parties::default(), JoinSet::new());
    let mut forgetting = interval(FORGET);
    forgetting.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said = None;
    loop {
        tokio::select! {
            party = arrivals.recv() => match party {
                Some(party) => parties.arrive(party, every),
                None => return,
            },
            _ = forgetting.tick() => {
                let Some(door) = door.upgrade() else {
                    return;
                };
                parties.forget(|party| party.is_in(&door.hub));
            }
            Some((party, deadline)) = parties.next(), if asking.len() < AT_ONCE => {
                let now = Instant::now();
                let late = now.saturating_duration_since(deadline);
                let is_said = said.is_some_and(|said| now.duration_since(said) < every);
                if late > (every / TOLERANCE.0).max(TOLERANCE.1) && !is_said {
                    said = Some(now);
                    tracing::warn!(
                        ?late, ?every, connected = parties.places.len(),
                        "`recheck_every` does not keep up: the identity resolver and the policy \
                         answer too slowly for so many users; choose a longer interval"
                    );
                }
                let door = door.clone();
                // In a task of its own, so that code that computes for long delays no other party.
                asking.spawn(async move {
                    let _ = AssertUnwindSafe(recheck(&door, &party)).catch_unwind().await;
                    (party, deadline)
                });
            }
            Some(asked) = asking.join_next(), if !asking.is_empty() => {
                let (party, deadline) = asked.expect("nothing aborts it, and a panic is caught");
                // Checked in this task: a party that comes back in the meantime is either seen
                // now, or arrives after this.
                if door.upgrade().is_some_and(|door| party.is_in(&door.hub)) {
                    parties.again(party, (deadline + every).max(Instant::now()));
                } else {
                    parties.places.remove(&party);
                }
            }
        }
    }
}

/// Asks about one party. Without an answer everything stays as it is until the next time, because an
/// outage of a database must not send everybody away.
async fn recheck(door: &Weak<Door>, party: &Party) {
    let Some(door) = door.upgrade() else {
        return;
    };
    let hub = &door.hub;
    match party {
        Party::User(user) => {
            let identities = hub.connections_of(user).into_iter();
            let identities = identities.map(|connection| door.recheck_identity(connection));
            let identities = stream::iter(identities).buffer_unordered(OF_ONE_PARTY).collect();
            let groups = door.recheck_groups(user, IfUnanswered::Keep);
            let ((), ()) = join(identities, groups).await;
        }
        Party::Visitor(id) => {
            let Some(connection) = hub.connection(*id) else {
                return;
            };
            join(door.recheck_identity(connection.clone()), door.recheck_visitor(&connection))
                .await;
        }
    }
}

/// What becomes of a user in a group if there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IfUnanswered {
    Keep,
    Ban,
}

impl IfUnanswered {
    /// Whether the user stays, or `None` if nothing changes.
    fn settle(self, answer: Result<bool, Unanswered>) -> Option<bool> {
        match (answer, self) {
            (Ok(allowed), _) => Some(allowed),
            (Err(_), Self::Ban) => Some(false),
            (Err(_), Self::Keep) => None,
        }
    }
}

impl Door {
    /// Asks the policy again about every group of a user. The user leaves a group if it says no or
    /// gives no answer.
    pub(crate) async fn recheck_user(&self, user: &UserId) {
        self.hub.revocations.revoke(Subject::User(user));
        self.recheck_groups(user, IfUnanswered::Ban).await;
    }

    /// Asks the policy again about everybody in a group. A user leaves if it says no or gives no
    /// answer.
    pub(crate) async fn recheck_group(&self, name: &GroupName) {
        let hub = &self.hub;
        hub.revocations.revoke(Subject::Group(name));
        let users = hub.users_in(name).into_iter().map(Some);
        let questions = users.chain([None]).map(|user| async move {
            let (_, asked, answer) = self.question(user.as_ref(), name.clone()).await;
            (user, asked, IfUnanswered::Ban.settle(answer) == Some(true))
        });
        let mut answers = stream::iter(questions).buffer_unordered(OF_ONE_GROUP);
        while let Some((user, asked, allowed)) = answers.next().await {
            match (user, allowed) {
                (Some(user), true) => hub.confirm(&user, name, asked),
                (Some(user), false) => hub.ban(&user, &[(name.clone(), asked)]),
                (None, true) => {}
                (None, false) => hub.ban_visitors(name, asked, || hub.anonymous_in(name)),
            }
        }
    }

    async fn recheck_groups(&self, user: &UserId, unanswered: IfUnanswered) {
        let names = self.hub.reach_of(user).into_iter();
        let questions = names.map(|name| self.question(Some(user), name));
        let questions = stream::iter(questions).buffer_unordered(OF_ONE_PARTY);
        // Denials that come together are told together.
        let mut answers = questions.ready_chunks(OF_ONE_PARTY);
        while let Some(answers) = answers.next().await {
            let mut denied = Vec::new();
            for (name, asked, answer) in answers {
                match unanswered.settle(answer) {
                    Some(true) => self.hub.confirm(user, &name, asked),
                    Some(false) => denied.push((name, asked)),
                    None => {}
                }
            }
            self.hub.ban(user, &denied);
        }
    }

    /// Asks the policy again about the groups of an anonymous visitor.
    async fn recheck_visitor(&self, connection: &Arc<Connection>) {
        let names = connection.groups().into_iter();
        let questions = names.map(|name| self.question(None, name));
        let mut answers = stream::iter(questions).buffer_unordered(OF_ONE_PARTY);
        while let Some((name, asked, answer)) = answers.next().await {
            match answer {
                Ok(true) => connection.is_allowed(&name, asked),
                Ok(false) => self.hub.ban_visitors(&name, asked, || vec![connection.clone()]),
                // That there is no answer has been logged.
                Err(_) => {}
            }
        }
    }

    async fn question(
        &self,
        user: Option<&UserId>,
        name: GroupName,
    ) -> (GroupName, Moment, Result<bool, Unanswered>) {
        let asked = self.hub.revocations.now();
        let answer = self.may_join(user, &name).await;
        (name, asked, answer)
    }

    /// Ends a connection if its request comes from another user now, or from nobody.
    async fn recheck_identity(&self, connection: Arc<Connection>) {
        let Some(request) = connection.request() else {
            return;
        };
        // That there is no answer has been logged.
        if let Ok(Whose::Anothers | Whose::Nobodys) = self.whose(&connection, &request.0).await {
            self.hub.expel(&connection, End::IdentityChanged);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn those_who_are_gone_are_forgotten_long_before_they_are_due() {
        let hour = Duration::from_secs(3600);
        let mut parties = Parties::default();
        let visitor = |n| Party::Visitor(ConnectionId::of(n));
        for n in 0..10_000 {
            parties.arrive(visitor(n), hour);
        }
        parties.forget(|party| *party == visitor(7));
        assert_eq!((parties.due.len(), parties.places.len()), (1, 1));
        assert!(parties.due.capacity() < 100 && parties.places.capacity() < 100);
        // A party that is being asked about is not forgotten.
        let (party, _) = parties.next().await.expect("one that waits");
        assert_eq!(party, visitor(7));
        parties.arrive(visitor(7), hour);
        parties.forget(|_| false);
        assert_eq!((parties.due.len(), parties.places.len()), (0, 1));
        parties.again(party, Instant::now());
        assert_eq!(parties.next().await.expect("one that waits").0, visitor(7));
    }
}
