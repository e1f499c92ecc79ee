//! Names and ids. Each is checked when it is made.

mod beginning;
mod connection;
mod group;
mod session;
mod user;

pub(crate) use self::{
    beginning::beginning,
    connection::{ConnectionId, Token},
    group::{NameFault, bad_character},
    session::{InvalidSession, SessionId},
};
pub use self::{
    group::{Group, GroupName, InvalidGroupName, MAX_GROUP_NAME_BYTES},
    session::MAX_SESSION_BYTES,
    user::{InvalidUserId, MAX_USER_ID_BYTES, UserId},
};
