//! One connection, as the hub and the transports share it.

use std::{fmt, sync::Arc, time::Instant};

use http::request::Parts;

use super::{
    revocations::Moment,
    subscriptions::{Subscription, Subscriptions},
    users::User,
};
use crate::{
    connection::{Liveness, Outbox, Rate, Reader, Window},
    name::{ConnectionId, GroupName, Token, UserId},
    sync::Mutex,
    wire::Dialect,
};

/// So many `control` calls of one connection may wait for the application's answers at once. A
/// client makes one after the other; one that it has given up may still be under way.
const CALLS_AT_ONCE: u32 = 4;

/// One SSE or WebSocket stream.
pub(crate) struct Connection {
    /// What its groups hold of it.
    pub(crate) reader: Arc<Reader>,
    pub(super) user: Option<Arc<User>>,
    /// What has been taken from the outbox and is not written yet, on an event stream.
    pub(crate) window: Arc<Window>,
    /// Present where the client may change its groups by `control`.
    pub(crate) token: Option<Token>,
    /// Locked before a user and before a group, never after.
    pub(super) subscriptions: Mutex<Subscriptions>,
    pub(crate) liveness: Liveness,
    calls: Mutex<Calls>,
    /// What its user was taken from, where that is to be asked for again.
    pub(crate) request: Option<KeptRequest>,
}

/// The head of the request that opened a connection. It holds cookies, so it never reaches a
/// log.
#[derive(Clone)]
pub(crate) struct KeptRequest(pub(crate) Arc<Parts>);

impl fmt::Debug for KeptRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptRequest(..)")
    }
}

/// What a connection is from the start.
#[derive(Debug)]
pub(crate) struct Opening {
    /// `None` for an anonymous visitor.
    pub(crate) user: Option<UserId>,
    pub(crate) dialect: Dialect,
    pub(crate) token: Option<Token>,
    pub(crate) request: Option<KeptRequest>,
}

/// The `control` calls of one connection.
#[derive(Debug)]
struct Calls {
    /// How often it may be called.
    rate: Rate,
    under_way: u32,
}

/// A `control` call that is under way.
#[derive(Debug)]
pub(crate) struct Call(Arc<Connection>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.calls.lock().under_way -= 1;
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn new(
        id: ConnectionId,
        user: Option<Arc<User>>,
        Opening { user: name, dialect, token, request }: Opening,
        outbox: Outbox,
        calls: Rate,
        now: Instant,
    ) -> Self {
        Self {
            reader: Arc::new(Reader { id, user: name, dialect, outbox }),
            user,
            window: Arc::default(),
            token,
            request,
            calls: Mutex::new(Calls { rate: calls, under_way: 0 }),
            subscriptions: Mutex::default(),
            liveness: Liveness::new(now),
        }
    }

    pub(crate) fn id(&self) -> ConnectionId {
        self.reader.id
    }

    /// `None` for an anonymous visitor, who watches but is never a member.
    pub(crate) fn user(&self) -> Option<&UserId> {
        self.reader.user.as_ref()
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.reader.dialect
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.reader.outbox
    }

    /// The groups that it is in.
    pub(crate) fn groups(&self) -> Vec<GroupName> {
        self.subscriptions.lock().names().cloned().collect()
    }

    /// How many groups it is in.
    pub(crate) fn group_count(&self) -> usize {
        self.subscriptions.lock().names().len()
    }

    pub(super) fn is_in(&self, group: &GroupName) -> bool {
        self.subscriptions.lock().get(group).is_some()
    }

    /// Sets apart the groups that it is in and the others.
    pub(crate) fn split(&self, groups: &[GroupName]) -> (Vec<GroupName>, Vec<GroupName>) {
        let subscriptions = self.subscriptions.lock();
        groups.iter().cloned().partition(|group| subscriptions.get(group).is_some())
    }

    /// The policy, asked at `asked`, has allowed a group that it may be in.
    pub(crate) fn is_allowed(&self, group: &GroupName, asked: Moment) {
        if let Some(subscription) = self.subscriptions.lock().get_mut(group) {
            subscription.allowed = subscription.allowed.max(asked);
        }
    }

    /// Its request has been found to be its user's, which the identity resolver, asked at
    /// `asked`, said.
    pub(crate) fn is_identified(&self, asked: Moment) {
        let mut subscriptions = self.subscriptions.lock();
        subscriptions.identified = subscriptions.identified.max(asked);
    }

    /// Whether an answer that was asked for at `asked` is older than the one by which its user
    /// is known.
    pub(crate) fn is_identified_since(&self, asked: Moment) -> bool {
        self.subscriptions.lock().identified > asked
    }

    /// Lets its client make one more `control` call now, or does not.
    pub(crate) fn begin_call(self: &Arc<Self>, now: Instant) -> Option<Call> {
        let mut calls = self.calls.lock();
        let admitted = calls.under_way < CALLS_AT_ONCE && calls.rate.admits(now);
        calls.under_way += u32::from(admitted);
        admitted.then(|| Call(self.clone()))
    }

    /// Whether nobody is at the other end any more, or nobody is to be.
    pub(super) fn is_lost(&self, now: Instant) -> bool {
        let outbox = self.outbox();
        let waiting = [outbox.progress(), self.window.progress()];
        let taken = waiting.iter().any(Option::is_some).then(|| waiting.iter().flatten().sum());
        self.liveness.is_lost(self.token.is_some(), taken, now) || outbox.has_ended()
    }

    /// Has a group's snapshot come once more, where it is in the group.
    pub(super) fn resync(&self, group: &GroupName) -> Option<std::task::Waker> {
        let subscriptions = self.subscriptions.lock();
        let Subscription { feed, .. } = subscriptions.get(group)?;
        self.outbox().resync(*feed)
    }
}
