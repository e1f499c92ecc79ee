//! How much one client may ask for.

use std::time::Duration;

use crate::error::BuildProblem;

/// The smallest outbox: `@hello` and other answers must fit.
pub(crate) const MIN_OUTBOX_BYTES: usize = 4 * 1024;

/// What a WebSocket's message, or a control frame, counts as besides its bytes: the work for it
/// is mostly the same whether it is long or short.
pub(crate) const MESSAGE_COST: usize = 1024;

/// The longest tick.
const MAX_TICK: Duration = Duration::from_secs(60);

/// The longest time to drain in.
const MAX_DRAIN: Duration = Duration::from_secs(60 * 60);

/// Bounds on what clients can make the server hold or do. All are on by default.
///
/// ```
/// use umbral_presence::Limits;
///
/// let limits = Limits { connections: 500, ..Limits::default() };
/// assert_eq!(limits.connections_per_user, 100);
/// ```
#[derive(Clone, Debug)]
pub struct Limits {
    /// Open connections in all; the next one gets `503`. 20,000.
    pub connections: usize,
    /// How many of them anonymous visitors may have, so that they cannot keep signed-in users
    /// out; the next one gets `503`. `None` is three quarters of `connections`, and all of them
    /// where there is no identity resolver. `None`.
    ///
    /// Until the identity resolver has answered nobody knows who asks, so a handshake counts
    /// among `connections` alone meanwhile.
    pub anonymous: Option<usize>,
    /// Open connections of one user, handshakes that wait for the policy included; the next one gets `429`. 100.
    pub connections_per_user: usize,
    /// Groups of one connection; a request for more gets `400`. 100.
    pub groups_per_connection: usize,
    /// Bytes that wait for one connection, each thing that waits counted with 64 bytes more.
    /// Where a reader falls behind by more, snapshots take the place of what groups had to
    /// tell it, and then its oldest messages are dropped, of which it is told. 256 KiB.
    /// At least 4 KiB.
    pub outbox_bytes: usize,
    /// Bytes of one inbound WebSocket message; a longer one ends the connection. 64 KiB.
    pub message_bytes: usize,
    /// Messages that a WebSocket's client may send in a second; the next one is answered by
    /// `@refused`. 50.
    pub messages_per_second: u32,
    /// Bytes that are read from one WebSocket in a second, each message and each control frame
    /// counted with 1 KiB more; what comes faster is read later. 256 KiB. At least as much as
    /// `message_bytes` and `messages_per_second` ask for.
    pub inbound_bytes_per_second: usize,
    /// `control` calls for one connection in a second; the next one gets `429`. 20.
    pub control_per_second: u32,
    /// Bytes of what a resolver may say of one member; more counts as no answer. 8 KiB.
    pub payload_bytes: usize,
    /// How long the identity resolver and the policy may take to answer; after that the
    /// request gets `503`. 5 s.
    pub policy_timeout: Duration,
    /// Bytes of what is kept of each connection's request where
    /// [`recheck_every`](crate::RealtimePlugin::recheck_every) is on: its path and the headers
    /// that the identity resolver needs again. A request with more gets `431`. 16 KiB.
    pub recheck_bytes: usize,
    /// How long the members of one call of a batch resolver hold up those of the next; they
    /// appear when it answers. Also how long the snapshot of somebody who joins waits until it
    /// shows the own user. 2 s.
    pub resolver_timeout: Duration,
    /// How long [`drain`](crate::Realtime::drain) gives clients to go elsewhere, which they do
    /// spread over this time. 5 s; at most an hour.
    pub drain_window: Duration,
    /// Changes of a group that follow one another within this time are told together; the
    /// first one after a pause is told at once. 25 ms, and four times what the last telling
    /// took where that is more. At most a minute.
    pub tick: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            anonymous: None,
            connections_per_user: 100,
            groups_per_connection: 100,
            outbox_bytes: 256 * 1024,
            message_bytes: 64 * 1024,
            messages_per_second: 50,
            inbound_bytes_per_second: 256 * 1024,
            control_per_second: 20,
            payload_bytes: 8 * 1024,
            policy_timeout: Duration::from_secs(5),
            recheck_bytes: 16 * 1024,
            resolver_timeout: Duration::from_secs(2),
            drain_window: Duration::from_secs(5),
            tick: Duration::from_millis(25),
        }
    }
}

impl Limits {
    /// How many connections anonymous visitors may have.
    pub(crate) fn anonymous_connections(&self) -> usize {
        self.anonymous.unwrap_or(self.connections - self.connections / 4)
    }

    /// The limits with which nothing would work: too small to let anything through, or times
    /// beyond all use.
    pub(crate) fn problems(&self) -> Vec<BuildProblem> {
        let default = Self::default();
        fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
            *value == T::default()
        }
        macro_rules! zero {
            ($($limit:ident)*) => {
                [$((stringify!($limit), is_zero(&self.$limit), format!("{:?}", default.$limit))),*]
            };
        }
        let zero = zero![
            connections connections_per_user groups_per_connection outbox_bytes message_bytes
            messages_per_second inbound_bytes_per_second control_per_second payload_bytes
            policy_timeout recheck_bytes resolver_timeout
        ];
        let small = (self.outbox_bytes > 0 && self.outbox_bytes < MIN_OUTBOX_BYTES)
            .then_some(BuildProblem::SmallOutbox { bytes: self.outbox_bytes });
        let messages = usize::try_from(self.messages_per_second).unwrap_or(usize::MAX);
        let least = messages.saturating_mul(MESSAGE_COST).max(self.message_bytes);
        let bytes = self.inbound_bytes_per_second;
        let slow = (bytes > 0 && bytes < least).then_some(BuildProblem::SlowInbound {
            bytes,
            message_bytes: self.message_bytes,
            messages_per_second: self.messages_per_second,
            least,
        });
        let long = [("tick", self.tick, MAX_TICK), ("drain_window", self.drain_window, MAX_DRAIN)];
        let long = long.into_iter().filter(|(_, value, most)| value > most);
        let long = long.map(|(limit, value, most)| BuildProblem::LongLimit { limit, value, most });
        zero.into_iter()
            .filter(|(_, is_zero, _)| *is_zero)
            .map(|(limit, _, default)| BuildProblem::ZeroLimit { limit, default })
            .chain(small)
            .chain(slow)
            .chain(long)
            .collect()
    }
}
