//! What the recorder is told of at once, since it is counted nowhere else.

use metrics::counter;

use super::{names, what::Function};

impl Function {
    pub(crate) const ALL: [Self; 4] = [Self::Identity, Self::Policy, Self::Resolver, Self::Handler];

    fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Policy => "policy",
            Self::Resolver => "resolver",
            Self::Handler => "handler",
        }
    }

    /// It has given no usable answer so often.
    pub(crate) fn has_failed(self, count: u64) {
        counter!(names::FAILURES, "function" => self.as_str()).increment(count);
    }
}

/// So many more requests are refused for this reason.
pub(crate) fn refused(code: &'static str, count: u64) {
    counter!(names::REFUSALS, "code" => code).increment(count);
}
