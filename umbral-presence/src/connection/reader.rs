//! The reading side of a connection, as groups know it.

use tracing::Span;

use super::outbox::Outbox;
use crate::{
    name::{ConnectionId, UserId},
    wire::Dialect,
};

/// Whom a group tells.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) id: ConnectionId,
    /// `None` for an anonymous visitor, who watches but is never a member.
    pub(crate) user: Option<UserId>,
    pub(crate) dialect: Dialect,
    pub(crate) outbox: Outbox,
    /// What happens to the connection happens in it.
    pub(crate) span: Span,
}
