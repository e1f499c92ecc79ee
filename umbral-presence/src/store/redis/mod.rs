//! One roster on several nodes: what every node says of its users stands in a store that all of
//! them reach. `README.md` beside this file tells the algorithm.
//!
//! | file | what it is |
//! |---|---|
//! | `node` | the rules, without I/O |
//! | `shared`, `waits` | one group, under its lock; who waits |
//! | `scripts`, `message`, `text` | what is asked of the store, and what it tells |
//! | `settings`, `unusable` | where the store is; why it cannot be used |
//! | `link`, `server`, `cluster` | one connection to it; one server; the servers of a cluster |
//! | `topic`, `letter`, `outgoing`, `calls` | what nodes say to each other besides: messages, and questions |
//! | `missed` | what all nodes were asked while one could not hear |
//! | `status` | whether the store is reached |
//! | `nodes` | the other nodes, as the hub sees them |
//! | `host` | what the store wants of the hub |
//! | `shards` | the shards, as the task has them |
//! | `handle` | how the rest of the crate uses the store |
//! | `task` | the task that does all of it; `task::letters` what it does with letters |
//! | `alone` | the scripts without all the rest, for benchmarks |

mod alone;
mod calls;
mod cluster;
mod handle;
mod host;
mod letter;
mod link;
mod message;
mod missed;
mod node;
mod nodes;
mod outgoing;
mod scripts;
mod server;
mod settings;
mod shards;
mod shared;
mod status;
mod task;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod topic;
mod unusable;
mod waits;

pub use self::{alone::Alone, settings::RedisStore};
pub(crate) use self::{
    calls::{NoReply, Silent},
    host::Host,
    letter::{Ask, Caller, Reply},
    node::Facts,
    nodes::Nodes,
    settings::RedisProblem,
    shared::Shared,
    waits::Wait,
};
