//! What is shown of users: asking the application, for one user at once or for many in one
//! call. No lock is held while it answers.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    time::{Instant, sleep_until, timeout},
};
use tracing::Instrument as _;

use super::{
    batches::{Pending, PendingUser},
    core::Hub,
    users::User,
};
use crate::{
    ask::ask,
    figures::{Function, Stopwatch, Timed},
    group::GroupCell,
    hash::KeyedMap,
    name::{GroupName, UserId},
    roster::{Answer, Asked, Payload, SeatId},
    spans,
    spec::{
        PresenceSpec,
        resolver::{BatchFn, Resolver, encode},
    },
};

/// Two calls of one batch resolver begin at least so far apart; a user who
/// comes in between goes with the next one.
const TICK: Duration = Duration::from_millis(25);

/// A call that takes so long is given up. Long before, it has stopped holding up others.
const GIVE_UP: Duration = Duration::from_secs(60);

/// The longest wait before a user who was not resolved is asked for again; the first wait is
/// a second, and each one twice that before.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// A seat of a user in a group.
type SeatAt = (Arc<GroupCell>, SeatId);

/// What is to be shown at seats of one group.
type Showing = (Arc<GroupCell>, Vec<(SeatId, Payload)>);

impl Hub {
    /// What is shown of a user in a group, where the resolver says it at once; `None` where
    /// it failed.
    pub(super) fn resolve(
        &self,
        spec: &PresenceSpec,
        user: &UserId,
        group: &GroupName,
    ) -> Option<Answer> {
        let asked = self.questions.next();
        let most = self.limits.payload_bytes;
        let stopwatch = Stopwatch::start();
        let resolved =
            spans::resolve(&spec.place(), user).in_scope(|| spec.resolver.resolve(user, most));
        stopwatch.stop(Timed::Resolver);
        match resolved {
            Ok(payload) => Some(Answer { payload, asked }),
            Err(error) => {
                self.counters().failed.member(user, Some(group), spec.place(), &error);
                None
            }
        }
    }

    /// Shows a user who has seats in these groups already, as soon as the resolvers have answered.
    pub(super) fn show(&self, user: Option<&Arc<User>>, names: Vec<GroupName>) {
        let Some(user) = user.filter(|_| !names.is_empty()) else {
            return;
        };
        for name in names {
            if let Some(seat) = user.seat_in(&name) {
                self.show_at(user, &seat);
            }
        }
    }

    fn show_at(&self, user: &User, seat: &SeatAt) {
        let Some(spec) = seat.0.spec.clone() else {
            return;
        };
        if let Resolver::Batch(_) = spec.resolver {
            let waiting =
                PendingUser { groups: BTreeSet::from([seat.0.name.clone()]), failures: 0 };
            self.resolve_later(&spec, Pending::from_iter([(user.id.clone(), waiting)]));
        } else if let Some(answer) = self.resolve(&spec, &user.id, &seat.0.name) {
            self.show_as(seat, answer);
        }
    }

    /// Shows the user of a seat like this.
    fn show_as(&self, (cell, seat): &SeatAt, answer: Answer) {
        self.change(cell, &mut self.effects(), |group| group.roster.show(*seat, answer));
    }

    /// Resolves a user again everywhere, and shows what has changed.
    pub(crate) async fn refresh(&self, user: &UserId) {
        // Before the seats are looked up: a join with an older answer either is found here or sees
        // that its answer does not count.
        self.questions.refresh(user);
        let Some(user) = self.users.get(user) else {
            return;
        };
        let mut batches: Vec<(Arc<PresenceSpec>, Vec<SeatAt>)> = Vec::new();
        for seat in user.seats() {
            let Some(spec) = seat.0.spec.clone() else {
                continue;
            };
            if !spec.resolver.is_batch() {
                self.show_at(&user, &seat);
            } else if let Some((_, seats)) =
                batches.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &spec))
            {
                seats.push(seat);
            } else {
                batches.push((spec, vec![seat]));
            }
        }
        for (spec, seats) in batches {
            let Resolver::Batch(resolver) = &spec.resolver else {
                continue;
            };
            let asked = self.questions.next();
            let limit = self.limits.resolver_timeout;
            let mut payloads = call(self, &spec, resolver, vec![user.id.clone()], limit).await;
            let Some(payload) = payloads.remove(&user.id) else {
                continue;
            };
            for seat in seats {
                self.show_as(&seat, Answer { payload: payload.clone(), asked });
            }
        }
    }

    fn resolve_later(&self, spec: &Arc<PresenceSpec>, users: Pending) {
        self.batches.add(spec, users, || match Handle::try_current() {
            Ok(runtime) => Some(runtime.spawn(run(self.me.clone(), spec.clone()))),
            // A join is served by a runtime, so there is one whenever it matters.
            Err(error) => {
                tracing::error!(%error, "a batch resolver cannot be called");
                None
            }
        });
    }

    /// Shows the users of a call as it has answered. Those of whom it says nothing are asked
    /// for again after a while, where they are still there.
    fn resolved(
        &self,
        spec: &Arc<PresenceSpec>,
        users: Pending,
        mut payloads: KeyedMap<UserId, Payload>,
        asked: Asked,
    ) {
        let mut shown: KeyedMap<GroupName, Showing> = KeyedMap::default();
        let (mut missing, mut failures) = (Vec::new(), u32::MAX);
        let mut outdated = Pending::default();
        for (id, waiting) in users {
            if !self.questions.counts(&id, asked) {
                outdated.insert(id, waiting);
                continue;
            }
            let Some(payload) = payloads.remove(&id) else {
                failures = failures.min(waiting.failures + 1);
                missing.push(id);
                continue;
            };
            let Some(user) = self.users.get(&id) else {
                continue;
            };
            for (cell, seat) in waiting.groups.iter().filter_map(|name| user.seat_in(name)) {
                let group = shown.entry(cell.name.clone()).or_insert((cell, Vec::new()));
                group.1.push((seat, payload.clone()));
            }
        }
        // Those of one group are told together.
        for (cell, users) in shown.into_values() {
            self.change(&cell, &mut self.effects(), |group| {
                for (seat, payload) in users {
                    group.roster.show(seat, Answer { payload, asked });
                }
            });
        }
        if !outdated.is_empty() {
            self.resolve_later(spec, outdated);
        }
        if missing.is_empty() {
            return;
        }
        tracing::warn!(
            users = missing.len(), spec = %spec.place(),
            "the batch resolver left users out; they are not shown, and asked for again"
        );
        let seconds = 1_u64 << failures.saturating_sub(1).min(6);
        let at = Instant::now() + Duration::from_secs(seconds).min(MAX_WAIT);
        self.batches.put_off(spec, &mut missing, at);
        if !missing.is_empty() {
            tokio::spawn(ask_again(self.me.clone(), spec.clone(), missing, failures, at));
        }
    }

    /// The groups of a spec where a user has a seat and is not shown.
    fn hidden_seats(&self, user: &UserId, spec: &Arc<PresenceSpec>) -> BTreeSet<GroupName> {
        let seats = self.users.get(user).map_or_else(Vec::new, |user| user.seats()).into_iter();
        let hidden = seats.filter(|(cell, seat)| {
            cell.spec.as_ref().is_some_and(|owner| Arc::ptr_eq(owner, spec))
                && cell.lock_always().roster.is_hidden(*seat)
        });
        hidden.map(|(cell, _)| cell.name.clone()).collect()
    }
}

/// Calls a batch resolver for as long as somebody waits for it. A call that is late goes on
/// by itself, so that it does not hold up those who come after.
async fn run(hub: Weak<Hub>, spec: Arc<PresenceSpec>) {
    loop {
        let Some((limit, users)) = hub
            .upgrade()
            .and_then(|hub| Some((hub.limits.resolver_timeout, hub.batches.take(&spec)?)))
        else {
            return;
        };
        let next = Instant::now() + TICK;
        let call = tokio::spawn(resolve_batch(hub.clone(), spec.clone(), users));
        if timeout(limit, call).await.is_err() {
            tracing::error!(spec = %spec.place(), "the batch resolver takes long; its members appear later");
        }
        sleep_until(next).await;
    }
}

async fn resolve_batch(hub: Weak<Hub>, spec: Arc<PresenceSpec>, users: Pending) {
    let (Resolver::Batch(resolver), Some(strong)) = (&spec.resolver, hub.upgrade()) else {
        return;
    };
    #[cfg(feature = "test")]
    let _call = strong.batches.begin_call();
    let asked = strong.questions.next();
    let ids = users.keys().cloned().collect();
    let payloads = call(&strong, &spec, resolver, ids, GIVE_UP).await;
    strong.resolved(&spec, users, payloads, asked);
}

/// Asks again for those who are still there and still not shown.
async fn ask_again(
    hub: Weak<Hub>,
    spec: Arc<PresenceSpec>,
    users: Vec<UserId>,
    failures: u32,
    at: Instant,
) {
    sleep_until(at).await;
    let Some(hub) = hub.upgrade() else {
        return;
    };
    let waiting = |user: UserId| {
        let groups = hub.hidden_seats(&user, &spec);
        (!groups.is_empty()).then_some((user, PendingUser { groups, failures }))
    };
    let users: Pending = users.into_iter().filter_map(waiting).collect();
    if !users.is_empty() {
        hub.resolve_later(&spec, users);
    }
}

/// What a batch resolver says of these users; nothing where it gives no answer.
async fn call(
    hub: &Hub,
    spec: &PresenceSpec,
    resolver: &Arc<BatchFn>,
    users: Vec<UserId>,
    limit: Duration,
) -> KeyedMap<UserId, Payload> {
    let context = hub.context.clone();
    let span = spans::resolve_batch(&spec.place(), users.len());
    let stopwatch = Stopwatch::start();
    let answer = ask(limit, || resolver(users, context)).instrument(span).await;
    stopwatch.stop(Timed::BatchResolver);
    let payloads = answer.unwrap_or_else(|error| {
        Function::Resolver.has_failed(1);
        tracing::error!(%error, spec = %spec.place(), "the batch resolver gave no answer");
        HashMap::new()
    });
    let most = hub.limits.payload_bytes;
    let encode = |(user, payload)| match encode(&payload, most) {
        Ok(payload) => Some((user, Payload::Json(payload.into()))),
        Err(error) => {
            hub.counters().failed.member(&user, None, spec.place(), &error);
            None
        }
    };
    payloads.into_iter().filter_map(encode).collect()
}
