//! What can be wrong with the specs of one plugin, in words.

use std::time::Duration;

use super::{MAX_GRACE, declared::SourcePlace};
use crate::name::InvalidGroupName;

/// One spec, or two together, by which it would not be clear who owns a group.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpecProblem {
    #[error(
        "the {kind} {text:?} is declared twice: at {first} and at {second}; remove it from one of them"
    )]
    Duplicate { kind: &'static str, text: String, first: SourcePlace, second: SourcePlace },
    #[error(
        "the patterns {first:?} at {first_place} and {second:?} at {second_place} can match the same name; make the text before the first placeholder differ"
    )]
    Overlap {
        first: &'static str,
        first_place: SourcePlace,
        second: &'static str,
        second_place: SourcePlace,
    },
    #[error("the prefix {prefix:?} at {place} is not usable: {fault}")]
    Prefix { prefix: String, fault: String, place: SourcePlace },
    #[error("{error} (at {place})")]
    Name { error: InvalidGroupName, place: SourcePlace },
    #[error("the spec at {place} has no {kind}, so it would match no group; name at least one")]
    NoText { kind: &'static str, place: SourcePlace },
    #[error("the grace of {grace:?} at {place} is too long; at most {MAX_GRACE:?}")]
    Grace { grace: Duration, place: SourcePlace },
}
