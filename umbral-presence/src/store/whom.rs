//! Whom an event of the application is for.

use crate::name::{GroupName, UserId};

/// The receivers of an event, on whatever node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whom {
    /// Every connection that is subscribed to the group.
    Group(GroupName),
    /// Every connection of the user.
    User(UserId),
    /// Every connection.
    Everybody,
}
