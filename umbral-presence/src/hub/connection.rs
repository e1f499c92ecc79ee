//! One connection, as the hub and the transports share it.

use std::{fmt, sync::Arc, time::Instant};

#[cfg(feature = "redis")]
use http::HeaderMap;
use http::request::Parts;
use tracing::Span;

use super::{
    revocations::Moment,
    sign_in::SignIn,
    subscriptions::{Subscription, Subscriptions},
    users::User,
};
use crate::{
    connection::{Outbox, Rate, Reader},
    group::GroupCell,
    name::{ConnectionId, GroupName, Token, UserId},
    spans,
    sync::Mutex,
    wire::Dialect,
};

/// So many `control` calls of one connection may wait for the application's answers at once. A
/// client makes one after the other; one that it has given up may still be under way.
const CALLS_AT_ONCE: u32 = 4;

/// One SSE or WebSocket stream.
pub(crate) struct Connection {
    /// What its groups and its transport hold of it.
    pub(crate) reader: Arc<Reader>,
    pub(super) user: Option<Arc<User>>,
    /// Present where the client may change its groups by `control`.
    pub(crate) token: Option<Token>,
    /// Locked before a user and before a group, never after.
    pub(super) subscriptions: Mutex<Subscriptions>,
    calls: Mutex<Calls>,
    /// What its user was last taken from, where that is to be asked for again.
    request: Mutex<Option<KeptRequest>>,
}

/// The head of the request that a connection's user was taken from. It holds cookies, so it never reaches a
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
    pub(crate) sign_in: Option<SignIn>,
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
        Opening { sign_in, dialect, token, request }: Opening,
        outbox: Outbox,
        calls: Rate,
    ) -> Self {
        let user_id = SignIn::user_of(sign_in.as_ref()).cloned();
        let span = spans::connection(id, user_id.as_ref(), dialect.transport);
        Self {
            reader: Arc::new(Reader::new(id, user_id, dialect, outbox, span)),
            user,
            token,
            request: Mutex::new(request),
            calls: Mutex::new(Calls { rate: calls, under_way: 0 }),
            subscriptions: Mutex::new(Subscriptions::of(sign_in)),
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

    /// What happens to it happens in this span.
    pub(crate) fn span(&self) -> &Span {
        &self.reader.span
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.reader.outbox
    }

    /// The groups that it is in.
    pub(crate) fn groups(&self) -> Vec<GroupName> {
        self.subscriptions.lock().names().cloned().collect()
    }

    /// The groups that it is in, themselves.
    pub(super) fn cells(&self) -> Vec<Arc<GroupCell>> {
        self.subscriptions.lock().cells().cloned().collect()
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

    /// Until when it is its user's, if that has an end.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.subscriptions.lock().until
    }

    /// Whether it was last found to be its user's before then, or that does not matter.
    pub(super) fn is_of_before(&self, then: Option<Instant>) -> bool {
        let identified_at = self.subscriptions.lock().identified_at;
        then.is_none_or(|then| identified_at.is_none_or(|at| at < then))
    }

    /// What its user was last taken from.
    pub(crate) fn request(&self) -> Option<KeptRequest> {
        self.request.lock().clone()
    }

    /// Its user is to be taken from this request from now on: its cookies are newer.
    pub(crate) fn keep(&self, request: Option<KeptRequest>) {
        if request.is_some() {
            *self.request.lock() = request;
        }
    }

    /// The same, where another node has got the request, and its headers are known alone.
    #[cfg(feature = "redis")]
    pub(crate) fn keep_headers(&self, headers: HeaderMap) {
        if let Some(request) = &mut *self.request.lock() {
            Arc::make_mut(&mut request.0).headers = headers;
        }
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
        let waiting = [outbox.progress(), self.reader.window.progress()];
        let taken = waiting.iter().any(Option::is_some).then(|| waiting.iter().flatten().sum());
        self.reader.liveness.is_lost(self.token.is_some(), taken, now) || outbox.has_ended()
    }

    /// Has a group's snapshot come once more, where it is in the group.
    pub(super) fn resync(&self, group: &GroupName) -> Option<std::task::Waker> {
        let subscriptions = self.subscriptions.lock();
        let Subscription { feed, .. } = subscriptions.get(group)?;
        self.outbox().resync(*feed)
    }
}
