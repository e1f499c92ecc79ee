//! What the feature `metrics` counts besides the [counters](crate::counters), and what it times.
//!
//! | what | where | how it gets to the recorder |
//! |---|---|---|
//! | changes, groups and members of a declaration | [`Declared`], counted by the [`Tally`] of each group | read by [`report`](crate::report) |
//! | connections by transport | [`Traffic`] | likewise |
//! | refusals, failures | nowhere else | at once |
//! | times | [`Stopwatch`], [`Timed`] | at once |
//!
//! Without the feature the types are empty and the functions do nothing.

#[cfg(feature = "metrics")]
mod declaration;
#[cfg(not(feature = "metrics"))]
mod left_out;
#[cfg(feature = "metrics")]
pub(crate) mod names;
#[cfg(feature = "metrics")]
mod recorded;
#[cfg(feature = "metrics")]
mod timed;
#[cfg(feature = "metrics")]
mod traffic;
mod what;

#[cfg(not(feature = "metrics"))]
pub(crate) use self::left_out::{Declarations, Declared, Stopwatch, Tally, Traffic, refused};
pub(crate) use self::what::{Function, Timed};
#[cfg(feature = "metrics")]
pub(crate) use self::{
    declaration::{Declarations, Declared, Tally},
    recorded::refused,
    timed::Stopwatch,
    traffic::Traffic,
};
