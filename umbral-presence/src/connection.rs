//! One connection, as the hub and the transports share it.

use std::{
    collections::HashMap,
    fmt,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use http::request::Parts;

use crate::{
    frame::Dialect,
    group::GroupName,
    hub::{GroupCell, Moment},
    outbox::Outbox,
    rate::Rate,
    sync::Mutex,
    user::UserId,
    window::Window,
};

/// Names a connection within one `Realtime`; never given out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ConnectionId(u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ConnectionId {
    pub(crate) fn of(number: u64) -> Self {
        Self(number)
    }
}

/// What a client shows to change the groups of its stream: 128 random bits, told inside
/// the stream only. Written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token(u128);

impl Token {
    /// A fresh token from the operating system's randomness.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits)?;
        Ok(Self(u128::from_ne_bytes(bits)))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A token is a secret: it never reaches a log.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl FromStr for Token {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !digits {
            return Err(());
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| ())
    }
}

/// One SSE or WebSocket stream.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    /// `None` for an anonymous visitor, who watches but is never a member.
    pub(crate) user: Option<UserId>,
    pub(crate) dialect: Dialect,
    pub(crate) outbox: Outbox,
    /// What has been taken from it and is not written yet, on an event stream.
    pub(crate) window: Arc<Window>,
    /// Present where the client may change its groups by `control`.
    pub(crate) token: Option<Token>,
    /// Locked before any group's lock, never after.
    pub(crate) subscriptions: Mutex<Subscriptions>,
    signs: Mutex<Signs>,
    calls: Mutex<Calls>,
    /// What its user was taken from, where that is to be asked for again.
    pub(crate) request: Option<Request>,
}

/// The head of the request that opened a connection. It holds cookies, so it never reaches a
/// log.
#[derive(Clone)]
pub(crate) struct Request(pub(crate) Arc<Parts>);

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Request(..)")
    }
}

/// What a connection is from the start.
#[derive(Debug)]
pub(crate) struct Opening {
    /// `None` for an anonymous visitor.
    pub(crate) user: Option<UserId>,
    pub(crate) dialect: Dialect,
    pub(crate) token: Option<Token>,
    pub(crate) request: Option<Request>,
}

/// The `control` calls of one connection.
#[derive(Debug)]
struct Calls {
    /// How often it may be called.
    rate: Rate,
    under_way: u32,
}

/// So many `control` calls of one connection may wait for the application's answers at once. A
/// client makes one after the other; one that it has given up may still be under way.
const CALLS_AT_ONCE: u32 = 4;

/// A `control` call that is under way.
#[derive(Debug)]
pub(crate) struct Call(Arc<Connection>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.calls.lock().under_way -= 1;
    }
}

/// When there was last a sign that somebody is at the other end.
#[derive(Clone, Copy, Debug)]
struct Signs {
    /// The client made a `control` call.
    client: Instant,
    /// The transport asked for the next frame, which it does with every heartbeat unless
    /// its socket is stuck.
    reader: Instant,
    /// How often something had been taken and written when it was last looked at, and since
    /// when that has been so while something waits.
    progress: Option<(u64, Instant)>,
}

/// A client that may show by `control` that it is there, and has not for so long, is taken
/// for lost, though a proxy may still hold the socket.
const PROOF_OF_LIFE: Duration = Duration::from_secs(60);

/// A transport that has not asked for anything for so long, which is three heartbeats, has a
/// socket that is stuck.
const STUCK: Duration = Duration::from_secs(45);

/// A reader that takes nothing for so long, while something waits for it, is taken for lost.
const DRAINS_WITHIN: Duration = Duration::from_secs(30);

/// The groups of one connection.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    pub(crate) groups: HashMap<GroupName, Subscription>,
    /// The number of the newest `control` call that was heeded.
    pub(crate) number: u64,
    /// When the identity resolver was last asked and said that the connection is its user's.
    pub(crate) identified: Moment,
    /// Nothing may be joined any more: the goodbye has run.
    pub(crate) ended: bool,
}

/// One group of a connection.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) cell: Arc<GroupCell>,
    /// When the policy was last asked and said yes. A no that it was asked for earlier does not
    /// count, however late it comes.
    pub(crate) allowed: Moment,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        opening: Opening,
        outbox: Outbox,
        calls: Rate,
        now: Instant,
    ) -> Self {
        let Opening { user, dialect, token, request } = opening;
        Self {
            id,
            user,
            dialect,
            outbox,
            window: Arc::default(),
            token,
            request,
            calls: Mutex::new(Calls { rate: calls, under_way: 0 }),
            subscriptions: Mutex::default(),
            signs: Mutex::new(Signs { client: now, reader: now, progress: None }),
        }
    }

    /// The groups that it is in.
    pub(crate) fn groups(&self) -> Vec<GroupName> {
        self.subscriptions.lock().groups.keys().cloned().collect()
    }

    pub(crate) fn is_in(&self, group: &GroupName) -> bool {
        self.subscriptions.lock().groups.contains_key(group)
    }

    /// Sets apart the groups that it is in and the others.
    pub(crate) fn split(&self, groups: &[GroupName]) -> (Vec<GroupName>, Vec<GroupName>) {
        let subscriptions = self.subscriptions.lock();
        groups.iter().cloned().partition(|group| subscriptions.groups.contains_key(group))
    }

    /// The policy, asked at `asked`, has allowed a group that it may be in.
    pub(crate) fn is_allowed(&self, group: &GroupName, asked: Moment) {
        if let Some(subscription) = self.subscriptions.lock().groups.get_mut(group) {
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

    /// Its client has shown that it is there.
    pub(crate) fn prove_life(&self, now: Instant) {
        self.signs.lock().client = now;
    }

    /// Its transport takes what is queued.
    pub(crate) fn is_read(&self, now: Instant) {
        self.signs.lock().reader = now;
    }

    /// Whether nobody is at the other end any more, or nobody is to be. To be asked now and
    /// then, since it is seen by looking twice whether a reader takes anything.
    pub(crate) fn is_lost(&self, now: Instant) -> bool {
        let mut signs = self.signs.lock();
        let silent = self.token.is_some() && now.duration_since(signs.client) > PROOF_OF_LIFE;
        let stuck = now.duration_since(signs.reader) > STUCK;
        let waiting = [self.outbox.progress(), self.window.progress()];
        let taken = waiting.iter().any(Option::is_some).then(|| waiting.iter().flatten().sum());
        signs.progress = taken.map(|taken| match signs.progress {
            Some((before, since)) if before == taken => (taken, since),
            _ => (taken, now),
        });
        let since = signs.progress.map_or(now, |(_, since)| since);
        silent || stuck || now.duration_since(since) >= DRAINS_WITHIN || self.outbox.has_ended()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_as_it_was_written() {
        let token = Token::random().unwrap();
        assert_eq!(token.to_string().parse(), Ok(token));
        for bad in ["", "+f", "0", &"g".repeat(32), &"+".repeat(32), &"0".repeat(33)] {
            assert!(bad.parse::<Token>().is_err(), "{bad}");
        }
    }
}
