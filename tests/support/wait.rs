//! Waiting for a condition, never for a time.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep, timeout};

/// How long a test waits for what must happen. Far more than it takes, since the machine
/// may be busy.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Waits until `condition` holds.
///
/// # Panics
///
/// Where it does not hold within [`DEADLINE`]; `what` says what was waited for.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < DEADLINE, "waited in vain: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Waits for a future.
///
/// # Panics
///
/// Where it is not done within [`DEADLINE`]; `what` says what was waited for.
pub async fn settled<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain: {what}"),
    }
}
