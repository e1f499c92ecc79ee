//! The clock that everything goes by.

use std::time::Instant;

/// The time of tokio's clock, which tests can pause.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
