//! Asking the application's code, which may be slow or panic.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;

/// Why the application's code gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unanswered {
    #[error("it panicked")]
    Panicked,
    #[error("it took too long")]
    TimedOut,
}

/// Waits for an answer, at most for `timeout`. Nothing else is touched by a panic.
///
/// `question` makes the future, since calling the application's function may panic too.
pub(crate) async fn ask<F: Future>(
    timeout: Duration,
    question: impl FnOnce() -> F,
) -> Result<F::Output, Unanswered> {
    let answer = AssertUnwindSafe(async { question().await }).catch_unwind();
    match tokio::time::timeout(timeout, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(Unanswered::Panicked),
        Err(_) => Err(Unanswered::TimedOut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_panic_and_a_late_answer_are_no_answers() {
        assert_eq!(ask(SECOND, || async { 7 }).await, Ok(7));
        assert_eq!(
            ask(SECOND, || -> std::future::Ready<()> { panic!("boom") }).await,
            Err(Unanswered::Panicked)
        );
        assert_eq!(
            ask(SECOND, || async { panic!("boom") }).await,
            Err::<(), _>(Unanswered::Panicked)
        );
        assert_eq!(ask(SECOND, std::future::pending::<()>).await, Err(Unanswered::TimedOut));
    }
}
