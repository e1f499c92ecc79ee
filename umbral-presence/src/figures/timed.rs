//! How long something took.

use std::time::{Duration, Instant};

use metrics::histogram;

use super::names;

/// What is timed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Timed {
    Flush,
    Identity,
    Policy,
    Resolver,
    BatchResolver,
    /// A request to the store between nodes.
    #[cfg(feature = "redis")]
    Store(&'static str),
}

impl Timed {
    pub(crate) fn took(self, time: Duration) {
        let histogram = match self {
            Self::Flush => histogram!(names::FLUSH),
            Self::Identity => histogram!(names::IDENTITY),
            Self::Policy => histogram!(names::POLICY),
            Self::Resolver => histogram!(names::RESOLVE, "resolver" => "one"),
            Self::BatchResolver => histogram!(names::RESOLVE, "resolver" => "batch"),
            #[cfg(feature = "redis")]
            Self::Store(request) => histogram!(names::STORE, "request" => request),
        };
        histogram.record(time);
    }
}

/// Runs from its start, by the machine's clock.
#[derive(Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn stop(self, timed: Timed) {
        timed.took(self.0.elapsed());
    }
}
