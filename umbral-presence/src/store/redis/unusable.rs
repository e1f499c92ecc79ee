//! Why there is no connection to the store, or none that can be used.

use std::sync::Arc;

use redis::{ErrorKind, RedisError};

/// Why there is no connection, or none that can be used.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("{0}")]
    Redis(#[from] Arc<RedisError>),
    #[error("the server is version {version}; 7 is needed, or Valkey")]
    Version { version: String },
    #[error(
        "the server may throw data away when its memory is full (`maxmemory-policy {policy}`); set `maxmemory-policy noeviction`, or give presence a server of its own"
    )]
    Evicts { policy: String },
    #[error(
        "this node is to use {ours} shards, and the prefix {prefix:?} is in use with {theirs}; give all nodes the same number, or this application another prefix"
    )]
    Shards { prefix: String, ours: u16, theirs: String },
    #[error("the server is a replica that takes no writes")]
    ReadOnly,
    #[error("no sentinel has answered in time")]
    Silent,
    #[error("no server of the cluster has slot {slot}")]
    Slot { slot: u16 },
    #[error("{at}, a server of the cluster: {why}")]
    Part { at: String, why: Box<Self> },
}

impl Unusable {
    /// Whether it does not pass by itself.
    pub(super) fn is_lasting(&self) -> bool {
        /// The server does not let this node in, or not do what it must.
        const REFUSED: [&str; 4] = ["WRONGPASS", "NOAUTH", "NOPERM", "ERR"];
        match self {
            Self::Version { .. } | Self::Evicts { .. } | Self::Shards { .. } => true,
            Self::Redis(error) => {
                let is_refused = error.code().is_some_and(|code| REFUSED.contains(&code));
                is_refused || error.kind() == ErrorKind::AuthenticationFailed
            }
            Self::Part { why, .. } => why.is_lasting(),
            Self::ReadOnly | Self::Silent | Self::Slot { .. } => false,
        }
    }
}

impl From<RedisError> for Unusable {
    fn from(error: RedisError) -> Self {
        Self::Redis(Arc::new(error))
    }
}
