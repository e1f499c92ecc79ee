//! The rules by which a node takes part in a shard, without I/O: neither a runtime nor a store is
//! known here.
//!
//! | what | where |
//! |---|---|
//! | who is in one group, and why | [`Facts`], under the lock of the group |
//! | what was asked, what was told, what is to be read | [`Shard`], which one task owns |

mod facts;
mod shard;
pub(crate) mod simulation;
mod words;

pub(crate) use self::{
    facts::Facts,
    shard::{Chance, Groups, Shard},
    words::*,
};
