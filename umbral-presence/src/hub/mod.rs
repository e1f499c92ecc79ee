//! The groups, the connections and the users of one `Realtime`: the only place that locks
//! a group.
//!
//! | file | what it is |
//! |---|---|
//! | `core` | the maps together, the order of locks, how a group is used |
//! | `groups`, `connections`, `users` | one map each |
//! | `connection`, `subscriptions`, `sign_in` | one connection, its groups, and who it is of |
//! | `permits`, `rates` | what each user and each address holds, and how often they may do something |
//! | `revocations`, `questions`, `moments` | which answers of the application are out of date |
//! | `batches` | users who wait for a batch resolver |
//! | `effects`, `alarms` | what is left to do without a lock, and what is due later |
//! | `admission`, `opening`, `joining`, `resolving`, `rights`, `looking`, `sending`, `telling` | what is done with a [`Hub`], by what it is about |
//! | `visiting` | waiting for what other nodes say |
//! | `host` | what the hub is to the store between nodes |
//! | `session` | the life of one connection: its drop is the goodbye |

mod admission;
mod alarms;
mod batches;
mod connection;
mod connections;
mod core;
mod effects;
mod groups;
#[cfg(feature = "redis")]
mod host;
#[cfg(all(test, feature = "__shuttle"))]
mod interleavings;
mod joining;
mod looking;
mod moments;
mod opening;
mod permits;
mod questions;
mod rates;
mod resolving;
mod revocations;
mod rights;
mod sending;
mod session;
mod sign_in;
mod subscriptions;
mod telling;
#[cfg(test)]
mod testing;
#[cfg(all(test, not(feature = "__shuttle")))]
mod tests;
mod users;
mod visiting;

pub(crate) use self::{
    admission::{Full, Permit, Turn},
    connection::{Connection, KeptRequest, Opening},
    core::Hub,
    joining::{LINGER, Replaced, Unchanged, Verdict},
    opening::NotOpened,
    revocations::{Moment, Outdated, Subject},
    session::{Outgoing, Session},
    sign_in::SignIn,
};
