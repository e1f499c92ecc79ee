//! The rules by which a node takes part in a shard, without I/O: neither a runtime nor a store is
//! known here.
//!
//! | what | where |
//! |---|---|
//! | who is in one group, and why | [`Facts`], under the lock of the group |
//! | what was asked, what was told, what is to be read | [`Shard`], which one task owns: `saying`, `reading`, `history` |

#[cfg(test)]
mod busy;
mod facts;
mod history;
mod reading;
mod saying;
mod shard;
#[cfg(test)]
pub(crate) mod simulation;
mod turns;
mod under_way;
mod words;

pub(crate) use self::{
    facts::Facts,
    shard::{Chance, Groups, Shard},
    words::*,
};
