//! Shows who is online in a group, for axum applications.
//!
//! You declare a group once, on the server. The library then counts its users, tells every page
//! who comes and who goes, and serves the client for the browser.
//!
//! ```standalone_crate
//! use umbral_presence::{RealtimePlugin, presence};
//!
//! /// The people in a chat room.
//! #[presence(prefix = "room:", resolver = display)]
//! pub struct Room(pub u64);
//!
//! fn display(user_id: &str) -> serde_json::Value {
//!     serde_json::json!({ "id": user_id, "name": format!("User {user_id}") })
//! }
//!
//! # async fn user_id_of(_: &http::request::Parts) -> Option<String> { None }
//! let realtime = RealtimePlugin::new()
//!     .identity_resolver(|parts: http::request::Parts| async move { user_id_of(&parts).await })
//!     .group_policy_fn(|user: Option<&str>, _group: &str| user.is_some())
//!     .build()?;
//! let app: axum::Router = axum::Router::new().merge(realtime.router());
//! # Ok::<(), umbral_presence::BuildError>(())
//! ```
//!
//! A page shows who is in the room:
//!
//! ```html
//! <script src="/realtime/client.js"></script>
//! <script>
//!   umbral.realtime.presence('room:42', {
//!     sync: (members) => { /* everybody who is here */ },
//!     join: (member) => { /* one user became present */ },
//!     leave: (member) => { /* one user fully left */ },
//!   });
//! </script>
//! ```
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
mod counters;
mod error;
mod group;
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
mod roster;
mod spec;
mod store;
mod sync;
mod transport;
mod wakes;
mod wire;

#[doc = include_str!("attribute.md")]
pub use umbral_presence_macros::presence;

pub use self::{
    access::{GroupPolicy, PublicGroupsOnly},
    counters::Counts,
    error::{BuildError, SendError},
    group::Transition,
    handle::{MessageContext, MessageHandler, Presence, Target, Watch},
    limits::Limits,
    name::{
        Group, GroupName, InvalidGroupName, InvalidUserId, MAX_GROUP_NAME_BYTES, MAX_USER_ID_BYTES,
        UserId,
    },
    plugin::RealtimePlugin,
    realtime::{Health, Realtime},
    roster::Member,
    spec::{
        DEFAULT_GRACE, MAX_GRACE, PresenceSpec,
        declared::{BatchFuture, Declaration, DeclaredMatcher, DeclaredResolver, declared},
        pattern::Pattern,
        resolver::ResolveContext,
    },
    transport::socket::notice_dead_peers,
};
