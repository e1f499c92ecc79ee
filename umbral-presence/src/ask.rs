//! Asking the application's code, which may be slow or panic.

use std::{error::Error, future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;

/// Why the application's code gave no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    #[error("it panicked")]
    Panicked,
    #[error("it took too long")]
    TimedOut,
    /// It says that it does not know.
    #[error("it failed")]
    Failed(#[source] Arc<dyn Error + Send + Sync>),
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
        assert_eq!(ask(SECOND, || async { 7 }).await.ok(), Some(7));
        let early = ask(SECOND, || -> std::future::Ready<()> { panic!("boom") }).await;
        assert!(matches!(early, Err(Unanswered::Panicked)));
        let late = ask(SECOND, || async { panic!("boom") }).await;
        assert!(matches!(late, Err::<(), _>(Unanswered::Panicked)));
        let never = ask(SECOND, std::future::pending::<()>).await;
        assert!(matches!(never, Err(Unanswered::TimedOut)));
    }
}
