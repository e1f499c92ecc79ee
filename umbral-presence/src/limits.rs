//! How much one client may ask for.

use std::time::Duration;

use crate::error::BuildProblem;

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
    /// Open connections of one user; the next one gets `429`. 100.
    pub connections_per_user: usize,
    /// Groups of one connection; a request for more gets `400`. 100.
    pub groups_per_connection: usize,
    /// Bytes that wait for one connection, snapshots aside. A reader that falls behind by
    /// more is closed, and begins with a snapshot when it is back. 256 KiB.
    pub outbox_bytes: usize,
    /// Bytes of one inbound WebSocket message; a longer one ends the connection. 64 KiB.
    pub message_bytes: usize,
    /// How long the identity resolver and the policy may take to answer; after that the
    /// request gets `503`. 5 s.
    pub policy_timeout: Duration,
    /// How long the members of one call of a batch resolver hold up those of the next; they
    /// appear when it answers. 2 s.
    pub resolver_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_user: 100,
            groups_per_connection: 100,
            outbox_bytes: 256 * 1024,
            message_bytes: 64 * 1024,
            policy_timeout: Duration::from_secs(5),
            resolver_timeout: Duration::from_secs(2),
        }
    }
}

impl Limits {
    /// The limits that would let nothing through.
    pub(crate) fn problems(&self) -> Vec<BuildProblem> {
        let default = Self::default();
        [
            ("connections", self.connections, default.connections),
            ("connections_per_user", self.connections_per_user, default.connections_per_user),
            ("groups_per_connection", self.groups_per_connection, default.groups_per_connection),
            ("outbox_bytes", self.outbox_bytes, default.outbox_bytes),
            ("message_bytes", self.message_bytes, default.message_bytes),
            ("policy_timeout", usize::from(!self.policy_timeout.is_zero()), 5),
            ("resolver_timeout", usize::from(!self.resolver_timeout.is_zero()), 2),
        ]
        .into_iter()
        .filter(|(_, value, _)| *value == 0)
        .map(|(limit, _, default)| BuildProblem::ZeroLimit { limit, default: default.to_string() })
        .collect()
    }
}
