//! Between those who are connected to this node and those who are visible in a group.
//!
//! ```text
//! Seats (who is connected here) ─ Fact ─▶ store ─▶ View (who is visible)
//! ```
//!
//! One node has all the facts there are: its [store](local) applies each one at once, under the
//! lock of the group.

mod fact;
mod local;
// The rules between nodes and their scripts. Nothing but their tests uses them yet.
#[cfg(all(test, feature = "__redis", not(feature = "__shuttle")))]
mod redis;
#[cfg(test)]
mod tests;

pub(crate) use self::local::{Roster, Seated};
