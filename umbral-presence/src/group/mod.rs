//! One group: who is in it, who is told, and what is under its lock.
//!
//! | what | where | guarded by |
//! |---|---|---|
//! | name, spec | [`GroupCell`] | nothing: they never change |
//! | seats, view, subscribers, watchers, tick | `State` | the lock of the cell |
//! | the order of messages | `GroupCell::sending` | itself, taken before the lock of the state |
//! | what a reader still has to read | its `Outbox` | the lock of the outbox, taken under the group's |
//! | changes that are being told to many | `Delivery` | its one owner, without the group's lock |

mod cell;
mod delivery;
#[cfg(all(test, not(feature = "__shuttle")))]
mod model;
mod state;
mod subscribers;
mod teller;
#[cfg(test)]
pub(crate) mod testing;
mod tick;
mod watchers;

pub use self::watchers::Transition;
pub(crate) use self::{
    cell::GroupCell, delivery::Delivery, state::State, subscribers::SubscriberId, teller::Teller,
    watchers::WatchQueue,
};
