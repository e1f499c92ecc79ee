//! The clock that everything goes by.

#[cfg(feature = "redis")]
use std::time::Duration;
use std::time::Instant;

/// The time of tokio's clock, which tests can pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A time as other nodes and the store are told it.
#[cfg(feature = "redis")]
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
