//! How long something took.

use std::time::{Duration, Instant};

use metrics::histogram;

use super::{names, what::Timed};

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
