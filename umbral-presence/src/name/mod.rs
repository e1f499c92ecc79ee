//! Names and ids. Each is checked when it is made.

mod connection;
mod group;
mod user;

pub(crate) use self::{
    connection::{ConnectionId, Token},
    group::{NameFault, bad_character},
};
pub use self::{
    group::{Group, GroupName, InvalidGroupName, MAX_GROUP_NAME_BYTES},
    user::{InvalidUserId, MAX_USER_ID_BYTES, UserId},
};
