//! How much one client may ask for.

mod check;
mod problem;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(crate) use self::problem::LimitProblem;

/// What a frame of a WebSocket counts as besides its bytes: the work for it is mostly the same
/// whether it is long or short.
pub(crate) const FRAME_COST: usize = 1024;

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
    /// Open connections in all; the next one gets `503`. 20,000. Each is an open file of the
    /// process, which often may have 1,024 of them unless it is told otherwise.
    pub connections: usize,
    /// How many of them anonymous visitors may have, so that they cannot keep signed-in users
    /// out; the next one gets `503`. `None` is three quarters of `connections`, and all of them
    /// where there is no identity resolver. `None`.
    ///
    /// Until the identity resolver has answered nobody knows who asks, so a handshake counts
    /// among `connections` alone meanwhile.
    pub anonymous: Option<usize>,
    /// Open connections of one user, handshakes that wait for the policy included; the next one
    /// gets `429`. So many answers with the members of groups may be under way besides. 100.
    pub connections_per_user: usize,
    /// Open connections from one address, where that is
    /// [known](crate::RealtimePlugin::client_address); the next one gets `429`. So many answers
    /// with the members of groups may be under way besides. 1,000.
    pub connections_per_address: usize,
    /// Connections that one user may open in a second; the next one gets `429`. 20.
    pub opens_per_user: u32,
    /// Connections that may be opened from one address in a second, where it is
    /// [known](crate::RealtimePlugin::client_address); the next one gets `429`. 200.
    pub opens_per_address: u32,
    /// Groups in which one user may be by a grace alone, without a connection to them; of more
    /// the oldest ends at once. 200.
    pub graces_per_user: usize,
    /// Requests of one user, and from one address, for the members of a group in a second; the
    /// next one gets `429`. 10.
    pub members_per_second: u32,
    /// Groups of one connection; a request for more gets `400`. 100.
    pub groups_per_connection: usize,
    /// Bytes that wait for one connection, each thing that waits counted with 64 bytes more.
    /// Where a reader falls behind by more, snapshots take the place of what groups had to
    /// tell it, and then its oldest messages are dropped, of which it is told. 256 KiB.
    /// At least 4 KiB, enough for the answer to a client that is let into none of its groups
    /// (467 bytes for each of `groups_per_connection`, and 1 KiB), and for one change of a
    /// member with `payload_bytes`.
    pub outbox_bytes: usize,
    /// Bytes of one inbound WebSocket message; a longer one ends the connection. 64 KiB; at
    /// least 512, and enough for a message of the browser's client (403 bytes for each of
    /// `groups_per_connection`, of which it names 80 at once, and 64).
    pub message_bytes: usize,
    /// Messages that a WebSocket's client may send in a second; the next one is answered by
    /// `@refused`. 50.
    pub messages_per_second: u32,
    /// Bytes that are read from one WebSocket in a second, each frame counted with 1 KiB more;
    /// what comes faster is read later. 256 KiB. At least as much as `message_bytes` and
    /// `messages_per_second` ask for.
    pub inbound_bytes_per_second: usize,
    /// `control` calls for one connection in a second; the next one gets `429`. 20.
    pub control_per_second: u32,
    /// Bytes of what a resolver may say of one member; more counts as no answer. 8 KiB.
    pub payload_bytes: usize,
    /// How long the identity resolver and the policy may take to answer; after that the
    /// request gets `503`. 5 s; at most a minute.
    pub policy_timeout: Duration,
    /// Bytes of the head of a request that opens a stream; one with more gets `431`. What a head
    /// was read into stays with its stream, so the HTTP server in front of the routes takes about
    /// as much memory for each. 64 KiB, as much as the longest URL; at
    /// least 8 KiB.
    pub head_bytes: usize,
    /// Bytes of what is kept of each connection's request where
    /// [`recheck_every`](crate::RealtimePlugin::recheck_every) is on: its path and the headers
    /// that the identity resolver needs again. A request with more gets `431`. 16 KiB.
    pub recheck_bytes: usize,
    /// How long the members of one call of a batch resolver hold up those of the next; they
    /// appear when it answers. Also how long the snapshot of somebody who joins waits until it
    /// shows the own user. 2 s; at most a minute.
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
            connections_per_address: 1000,
            opens_per_user: 20,
            opens_per_address: 200,
            graces_per_user: 200,
            members_per_second: 10,
            groups_per_connection: 100,
            outbox_bytes: 256 * 1024,
            message_bytes: 64 * 1024,
            messages_per_second: 50,
            inbound_bytes_per_second: 256 * 1024,
            control_per_second: 20,
            payload_bytes: 8 * 1024,
            policy_timeout: Duration::from_secs(5),
            head_bytes: 64 * 1024,
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
}
