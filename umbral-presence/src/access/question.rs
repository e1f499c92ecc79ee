//! A question to the application, as it is watched.

use std::future::Future;

use tracing::{Instrument as _, Span};

use crate::{
    figures::{Stopwatch, Timed},
    name::{GroupName, UserId},
    spans,
};

/// What the application is asked: the span in which it answers, and what its time counts as.
#[derive(Debug)]
pub(super) struct Question {
    span: Span,
    timed: Timed,
}

impl Question {
    pub(super) fn identity() -> Self {
        Self { span: spans::identity(), timed: Timed::Identity }
    }

    pub(super) fn policy(user: Option<&UserId>, group: &GroupName) -> Self {
        Self { span: spans::policy(user, group), timed: Timed::Policy }
    }

    /// Waits for the answer.
    pub(super) async fn watch<F: Future>(self, answering: F) -> F::Output {
        let stopwatch = Stopwatch::start();
        let answer = answering.instrument(self.span).await;
        stopwatch.stop(self.timed);
        answer
    }
}
