#![doc = include_str!("../README.md")]
//!
//! # What you can rely on
//!
//! - Presence belongs to a user, not to a connection. The first connection of a user is a join,
//!   and the end of the last one is a leave. A connection that is lost keeps its user present
//!   for the [grace](PresenceSpec::grace), so a reload shows nothing to others.
//! - Every subscriber gets the snapshot first, and then every change in order. Each change has a
//!   version.
//! - A group without a declaration has no presence. A member is shown as `{"id": ..}`, unless a
//!   resolver says more. An anonymous visitor never appears.
//! - A user who may not join a group, by the [`GroupPolicy`], sees nothing of it.
//!
//! # Where to go on
//!
//! - [`macro@presence`] declares groups on a struct. [`PresenceSpec`] declares them in code.
//! - [`RealtimePlugin`] is the builder, and [`Realtime`] the handle that it builds.
//! - [`Presence`] answers who is where. [`Target`] sends an event.
//! - [`GroupPolicy`] decides who may join. [`MessageHandler`] takes what clients send.
//! - [`Limits`] bounds what a client can make the server hold or do.
//! - The [`guide`] begins with a first application.

// On docs.rs an item says which feature it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
#[path = "bench.rs"]
pub mod __bench;
#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod access;
mod ask;
mod chance;
mod clock;
mod connection;
mod counter;
mod counters;
mod error;
mod figures;
mod group;
pub mod guide;
mod handle;
mod hash;
#[cfg(all(test, not(feature = "__shuttle")))]
mod house;
mod hub;
mod invisible;
mod journal;
mod limits;
mod name;
mod open_files;
mod plugin;
mod realtime;
#[cfg(feature = "metrics")]
mod report;
mod roster;
mod spans;
mod spec;
mod store;
mod sync;
#[cfg(feature = "test")]
pub mod test;
mod transport;
mod wakes;
mod wire;

#[doc = include_str!("attribute.md")]
pub use umbral_presence_macros::presence;

#[cfg(feature = "redis")]
pub use self::store::redis::RedisStore;
pub use self::{
    access::{Decision, GroupPolicy, Identity, PublicGroupsOnly, WhoAsks},
    counters::Counts,
    error::{BuildError, RevokeError, SendError},
    group::Transition,
    handle::{
        ClientMessage, MessageContext, MessageHandler, Presence, Target, UnreadableMessage, Watch,
    },
    limits::Limits,
    name::{
        Group, GroupName, InvalidGroupName, InvalidUserId, MAX_GROUP_NAME_BYTES, MAX_SESSION_BYTES,
        MAX_USER_ID_BYTES, UserId,
    },
    plugin::RealtimePlugin,
    realtime::{Health, Realtime},
    roster::Member,
    spec::{
        DEFAULT_GRACE, MAX_GRACE, PresenceSpec,
        declared::{
            BatchFuture, Declaration, Declared, DeclaredMatcher, DeclaredPolicy, DeclaredResolver,
            PolicyFuture, declared,
        },
        pattern::Pattern,
        resolver::ResolveContext,
    },
    store::degraded::Degraded,
    transport::socket::notice_dead_peers,
};
