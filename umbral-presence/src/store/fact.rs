//! What one node says of its users.

use crate::{name::UserId, roster::Answer};

/// What this node says of one of its users in one group.
#[derive(Debug)]
pub(crate) enum Fact<'a> {
    /// The user is here, and is shown like this.
    Here(&'a UserId, Answer),
    /// The user is not here any more.
    Gone,
}
