//! What an operator is told of a store that is out of reach.

use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

/// Since when, and why, a node goes on without the others, in
/// [`Health::degraded`](crate::Health::degraded).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Degraded {
    /// Since when the store is out of reach. It is serialized as seconds since 1970.
    #[serde(serialize_with = "seconds")]
    pub since: SystemTime,
    /// What keeps this node from it. It holds no password.
    pub why: String,
}

impl Degraded {
    /// For how long it has been so. A clock that was put back makes it zero.
    pub(crate) fn lasts(&self) -> Duration {
        self.since.elapsed().unwrap_or_default()
    }

    /// Since now.
    #[cfg(feature = "redis")]
    pub(crate) fn new(why: String) -> Self {
        Self { since: SystemTime::now(), why }
    }
}

fn seconds<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    serializer.serialize_u64(since.as_secs())
}
