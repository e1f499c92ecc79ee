//! The reading side of a connection: what its groups fill, and its transport empties.

use tracing::Span;

use super::{liveness::Liveness, outbox::Outbox, window::Window};
use crate::{
    clock::now,
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
    /// What has been taken from the outbox and is not written yet, on an event stream.
    pub(crate) window: Window,
    pub(crate) liveness: Liveness,
    /// What happens to the connection happens in it.
    pub(crate) span: Span,
}

impl Reader {
    pub(crate) fn new(
        id: ConnectionId,
        user: Option<UserId>,
        dialect: Dialect,
        outbox: Outbox,
        span: Span,
    ) -> Self {
        let (window, liveness) = (Window::default(), Liveness::new(now()));
        Self { id, user, dialect, outbox, window, liveness, span }
    }
}

impl AsRef<Window> for Reader {
    fn as_ref(&self) -> &Window {
        &self.window
    }
}
