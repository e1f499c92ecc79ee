//! How much one client may ask for.

mod check;
mod problem;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub(crate) use self::problem::LimitProblem;

/// What an entry of an outbox costs besides its bytes, so that there is a bound on how many there
/// are, too.
pub(crate) const ENTRY_BYTES: usize = 64;

/// What a frame of a WebSocket counts as besides its bytes. The work for a short frame is mostly
/// the same as for a long one.
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
    /// Open connections in all. Default: 20,000. One too many gets `503`.
    ///
    /// Each connection is an open file of the process. Many systems let a process open 1,024
    /// files unless they are told otherwise.
    pub connections: usize,
    /// Open connections of anonymous visitors, so that they cannot keep signed-in users out. One
    /// too many gets `503`. Default: `None`, which is three quarters of `connections`, or all of
    /// them if there is no identity resolver.
    ///
    /// A handshake counts among `connections` alone until the identity resolver has answered,
    /// because nobody knows before whether its user is signed in.
    pub anonymous: Option<usize>,
    /// Open connections of one user, handshakes that wait for the policy included. Default: 100.
    /// One too many gets `429`. One user may also wait for as many answers with the members of
    /// groups.
    pub connections_per_user: usize,
    /// Open connections from one address, if the address is
    /// [known](crate::RealtimePlugin::client_address). Default: 1,000. One too many gets `429`.
    /// One address may also wait for as many answers with the members of groups.
    pub connections_per_address: usize,
    /// Connections that one user may open in a second. Default: 20. One too many gets `429`.
    pub opens_per_user: u32,
    /// Connections that may be opened from one address in a second, if the address is
    /// [known](crate::RealtimePlugin::client_address). Default: 200. One too many gets `429`.
    pub opens_per_address: u32,
    /// Groups in which one user may be present without a connection, by a grace alone. Default:
    /// 200. If there are more, the oldest grace ends at once.
    pub graces_per_user: usize,
    /// Requests for the members of a group in a second, of one user and from one address.
    /// Default: 10. One too many gets `429`.
    pub members_per_second: u32,
    /// Groups of one connection. Default: 100. A request for more gets `400`.
    pub groups_per_connection: usize,
    /// Bytes that wait for one connection. Each frame that waits counts with 64 bytes more.
    /// Default: 256 KiB.
    ///
    /// If more would wait, a snapshot of each group first takes the place of its changes. Then
    /// the oldest messages are dropped, and the reader is told how many.
    ///
    /// At least 4 KiB. It must have room for the answer to a client that is let into none of its
    /// groups (467 bytes for each of `groups_per_connection`, and 1 KiB), and for the change of a
    /// member with `payload_bytes` (and 1 KiB).
    pub outbox_bytes: usize,
    /// Bytes of one inbound WebSocket message. Default: 64 KiB. A longer one ends the connection.
    ///
    /// At least 512. It must have room for a message of the browser's client, which names up to
    /// 80 groups at once (403 bytes for each of `groups_per_connection`, up to 80, and 64 bytes).
    pub message_bytes: usize,
    /// Messages that the client of a WebSocket may send in a second. Default: 50. One too many is
    /// answered by `@refused`.
    pub messages_per_second: u32,
    /// Bytes that are read from one WebSocket in a second. Each frame counts with 1 KiB more.
    /// Default: 256 KiB. What comes faster is read later.
    ///
    /// At least `message_bytes`, and at least 1 KiB for each of `messages_per_second`.
    pub inbound_bytes_per_second: usize,
    /// `control` calls for one connection in a second. Default: 20. One too many gets `429`.
    pub control_per_second: u32,
    /// Bytes of the payload of one member. Default: 8 KiB. A longer payload counts as no answer of
    /// the resolver.
    pub payload_bytes: usize,
    /// The time in which the identity resolver and the policy must answer. Default: 5 s. At most
    /// a minute. After that the request gets `503`.
    pub policy_timeout: Duration,
    /// Bytes of the head of a request that opens a stream. Default: 64 KiB, as much as the longest
    /// URL. At least 8 KiB. A request with more gets `431`.
    ///
    /// The HTTP server in front of the routes keeps the buffer that it read the head into for as
    /// long as the stream is open.
    pub head_bytes: usize,
    /// Bytes that are kept of the request of each connection if
    /// [`recheck_every`](crate::RealtimePlugin::recheck_every) is on: its path, and the headers
    /// that the identity resolver needs again. Default: 16 KiB. A request with more gets `431`.
    pub recheck_bytes: usize,
    /// The time for which one call of a batch resolver delays the next one. Default: 2 s. At most
    /// a minute. The members of the call appear when it answers.
    ///
    /// It is also the time for which the first snapshot of a user waits until it shows that user.
    pub resolver_timeout: Duration,
    /// The time over which [`drain`](crate::Realtime::drain) spreads the clients that go elsewhere.
    /// Default: 5 s. At most an hour.
    pub drain_window: Duration,
    /// Changes of a group that follow one another within this time are told together. Default:
    /// 25 ms. At most a minute. The first change after a pause is told at once.
    ///
    /// In a large room the time is longer, because telling it may take about a fifth of one core:
    /// some 50 ms with 1,000 subscribers, and 190 ms with 5,000 to 10,000.
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
