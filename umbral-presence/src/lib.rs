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
#[path = "bench.rs"]
pub mod __bench;
#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod access;
mod ask;
mod chance;
mod connection;
mod counters;
mod error;
mod frame;
mod group;
mod hub;
mod invisible;
mod journal;
mod limits;
mod message;
mod open_files;
mod outbox;
mod plugin;
mod presence;
mod rate;
mod realtime;
mod roster;
mod session;
mod snapshot;
mod spec;
mod sync;
mod target;
mod transport;
mod user;
mod wakes;
mod watch;
mod window;

/// # Every form
///
/// A unit struct with one prefix makes names:
///
/// ```standalone_crate
/// use umbral_presence::presence;
///
/// #[presence(prefix = "room:", grace = "10s")]
/// pub struct Room;
///
/// assert_eq!(Room::group(42)?.as_str(), "room:42");
/// # Ok::<(), umbral_presence::InvalidGroupName>(())
/// ```
///
/// A tuple struct with one field is a group, and is read back from its name:
///
/// ```standalone_crate
/// use umbral_presence::{Group, presence};
///
/// const ROOM_PREFIX: &str = "room:";
///
/// #[presence(prefix = ROOM_PREFIX)]
/// #[derive(Debug, PartialEq)]
/// pub struct Room(pub u64);
///
/// assert_eq!(Room(42).group_name()?.as_str(), "room:42");
/// assert_eq!("room:42".parse::<Room>()?, Room(42));
/// assert!("room:lobby".parse::<Room>().is_err());
/// # Ok::<(), umbral_presence::InvalidGroupName>(())
/// ```
///
/// Named fields with a pattern do the same for names of several parts:
///
/// ```standalone_crate
/// use umbral_presence::{Group, presence};
///
/// #[presence(pattern = "org:{org}:doc:{doc}")]
/// pub struct Doc {
///     pub org: u64,
///     pub doc: String,
/// }
///
/// let doc = Doc { org: 7, doc: "budget".to_owned() };
/// assert_eq!(doc.group_name()?.as_str(), "org:7:doc:budget");
/// assert_eq!("org:7:doc:budget".parse::<Doc>()?.org, 7);
/// # Ok::<(), umbral_presence::InvalidGroupName>(())
/// ```
///
/// A unit struct with one exact name is that group; with several texts, or with a
/// predicate, it stands for the declaration alone:
///
/// ```standalone_crate
/// use umbral_presence::{Group, presence};
///
/// #[presence(exact = "public:lobby")]
/// pub struct Lobby;
///
/// #[presence(prefix = ["table:", "desk:"], resolver = display)]
/// pub struct Seats;
///
/// #[presence(matching = is_document)]
/// pub struct Documents;
///
/// fn display(user_id: &str) -> serde_json::Value {
///     serde_json::json!({ "id": user_id })
/// }
///
/// fn is_document(group: &str) -> bool {
///     group.ends_with(".md")
/// }
///
/// assert_eq!(Lobby.group_name()?.as_str(), "public:lobby");
/// # Ok::<(), umbral_presence::InvalidGroupName>(())
/// ```
///
/// What must be looked up is a batch resolver's work: one call for everybody who has come,
/// with the values given by [`with_state`](RealtimePlugin::with_state) at hand:
///
/// ```standalone_crate
/// use std::collections::HashMap;
/// use serde_json::{Value, json};
/// use umbral_presence::{RealtimePlugin, ResolveContext, UserId, presence};
///
/// #[presence(prefix = "room:", batch_resolver = names)]
/// pub struct Room(pub u64);
///
/// #[derive(Clone)]
/// struct Database;
///
/// async fn names(users: Vec<UserId>, context: ResolveContext) -> HashMap<UserId, Value> {
///     let Some(database) = context.get::<Database>() else {
///         return HashMap::new();
///     };
///     let rows = database.names_of(&users).await;
///     users.into_iter().zip(rows).map(|(user, name)| (user, json!({ "name": name }))).collect()
/// }
/// # impl Database {
/// #     async fn names_of(&self, users: &[UserId]) -> Vec<String> {
/// #         users.iter().map(|user| format!("User {user}")).collect()
/// #     }
/// # }
///
/// let realtime = RealtimePlugin::new().with_state(Database).build()?;
/// # Ok::<(), umbral_presence::BuildError>(())
/// ```
///
/// The runtime under another name, and a grace:
///
/// ```standalone_crate
/// mod live {
///     pub use umbral_presence::*;
/// }
///
/// #[live::presence(prefix = "room:", grace = "500ms", crate = live)]
/// pub struct Room;
/// ```
///
/// # What a struct is given
///
/// Each name that the attribute derives:
///
/// - `Room::group(tail)`, on a unit struct with one prefix, as visible as the struct;
/// - [`Group`], on a tuple struct with one prefix, a struct with a pattern, and a unit struct with
///   one exact name;
/// - [`FromStr`](std::str::FromStr) with [`InvalidGroupName`] as its error, on the first two of
///   these;
/// - an entry of [`declared`], for every struct.
///
/// # Mistakes
///
/// They do not compile, and the message says what to write instead. A key that is none:
///
/// ```compile_fail
/// #[umbral_presence::presence(perfix = "room:")]
/// pub struct Room;
/// ```
///
/// Two ways at once to say which groups are meant:
///
/// ```compile_fail
/// #[umbral_presence::presence(prefix = "room:", exact = "lobby")]
/// pub struct Room;
/// ```
///
/// A text that no group name can have:
///
/// ```compile_fail
/// #[umbral_presence::presence(prefix = "chat room:")]
/// pub struct Room;
/// ```
///
/// A pattern whose placeholders are not the fields:
///
/// ```compile_fail
/// #[umbral_presence::presence(pattern = "doc:{id}")]
/// pub struct Doc {
///     pub name: String,
/// }
/// ```
///
/// A struct whose form does not fit:
///
/// ```compile_fail
/// #[umbral_presence::presence(prefix = "room:")]
/// pub struct Room(pub u64, pub u64);
/// ```
///
/// A grace without a unit, or over ten minutes:
///
/// ```compile_fail
/// #[umbral_presence::presence(prefix = "room:", grace = "2")]
/// pub struct Room;
/// ```
///
/// A resolver of another type:
///
/// ```compile_fail
/// fn display(user_id: u64) -> serde_json::Value {
///     user_id.into()
/// }
///
/// #[umbral_presence::presence(prefix = "room:", resolver = display)]
/// pub struct Room;
/// ```
///
/// A predicate of another type:
///
/// ```compile_fail
/// fn is_room(name: &str) -> usize {
///     name.len()
/// }
///
/// #[umbral_presence::presence(matching = is_room)]
/// pub struct Room;
/// ```
///
/// A batch resolver that is not asynchronous:
///
/// ```compile_fail
/// use std::collections::HashMap;
/// use umbral_presence::{ResolveContext, UserId};
///
/// fn names(_: Vec<UserId>, _: ResolveContext) -> HashMap<UserId, serde_json::Value> {
///     HashMap::new()
/// }
///
/// #[umbral_presence::presence(prefix = "room:", batch_resolver = names)]
/// pub struct Room;
/// ```
///
/// A field that cannot be read back from a name:
///
/// ```compile_fail
/// #[umbral_presence::presence(prefix = "room:")]
/// pub struct Room(pub &'static str);
/// ```
///
/// A constant that no group's name can begin with:
///
/// ```compile_fail
/// const ROOM_PREFIX: &str = "chat room:";
///
/// #[umbral_presence::presence(prefix = ROOM_PREFIX)]
/// pub struct Room;
/// ```
///
/// A value of another kind:
///
/// ```compile_fail
/// #[umbral_presence::presence(prefix = 5)]
/// pub struct Room;
/// ```
///
/// Anything but a struct, or a struct with parameters:
///
/// ```compile_fail
/// #[umbral_presence::presence(prefix = "room:")]
/// pub enum Room {
///     Of(u64),
/// }
/// ```
pub use umbral_presence_macros::presence;

pub use self::{
    access::{GroupPolicy, PublicGroupsOnly},
    counters::Counts,
    error::{BuildError, SendError},
    group::{Group, GroupName, InvalidGroupName, MAX_GROUP_NAME_BYTES},
    limits::Limits,
    message::{MessageContext, MessageHandler},
    plugin::RealtimePlugin,
    presence::Presence,
    realtime::{Health, Realtime},
    roster::Member,
    spec::{
        DEFAULT_GRACE, MAX_GRACE, PresenceSpec,
        declared::{BatchFuture, Declaration, DeclaredMatcher, DeclaredResolver, declared},
        pattern::Pattern,
        resolver::ResolveContext,
    },
    target::Target,
    transport::socket::notice_dead_peers,
    user::{InvalidUserId, MAX_USER_ID_BYTES, UserId},
    watch::{Transition, Watch},
};
