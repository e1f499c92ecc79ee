//! Between those who are connected to this node and those who are visible in a group.
//!
//! ```text
//! Seats (who is connected here) ─ Fact ─▶ store ─▶ View (who is visible)
//! ```
//!
//! One node has all the facts there are: its [store](local) applies each one at once, under the
//! lock of the group. Several nodes have a store in common, Redis, and each fact takes its way
//! through it.

#[cfg(not(feature = "redis"))]
mod alone;
pub(crate) mod degraded;
mod fact;
mod local;
#[cfg(feature = "redis")]
pub(crate) mod redis;
mod roster;
#[cfg(test)]
mod tests;
pub(crate) mod whom;

#[cfg(not(feature = "redis"))]
pub(crate) use self::alone::{Nodes, Silent, Wait};
#[cfg(feature = "redis")]
pub(crate) use self::redis::{Nodes, Silent, Wait};
pub(crate) use self::roster::{Roster, Seated};
