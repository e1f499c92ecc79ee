//! Who is online in a group, for axum applications.
//!
//! A group is declared once; matching, counting, fan-out and the browser client follow.
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
//! A page then shows who is in the room:
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
//! # What holds
//!
//! - Presence is per user, not per connection: the first connection of a user joins, the
//!   last one leaves. A connection that breaks off keeps its user present for the
//!   [grace](PresenceSpec::grace), so that a reload shows nothing to others.
//! - Every subscriber gets the snapshot first and then every change in order, with a
//!   version on each.
//! - A group that nothing declares has no presence. A member is shown as `{"id": ..}`
//!   unless a resolver says more. Anonymous visitors never appear.
//! - Who may not join a group, by the [`GroupPolicy`], sees nothing of it.
//!

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod ask;
mod connection;
mod error;
mod frame;
mod group;
mod hub;
mod identity;
mod limits;
mod message;
mod origin;
mod outbox;
mod plugin;
mod policy;
mod presence;
mod realtime;
mod roster;
mod session;
mod spec;
mod target;
mod transport;
mod user;
mod watch;

pub use umbral_presence_macros::presence;

pub use self::{
    error::{BuildError, SendError},
    group::{Group, GroupName, InvalidGroupName, MAX_GROUP_NAME_BYTES},
    limits::Limits,
    message::{MessageContext, MessageHandler},
    plugin::RealtimePlugin,
    policy::{GroupPolicy, PublicGroupsOnly},
    presence::Presence,
    realtime::{Health, Realtime},
    roster::Member,
    spec::{
        DEFAULT_GRACE, MAX_GRACE, PresenceSpec,
        declared::{Declaration, DeclaredMatcher, declared},
        pattern::Pattern,
    },
    target::Target,
    user::{InvalidUserId, MAX_USER_ID_BYTES, UserId},
    watch::{Transition, Watch},
};
