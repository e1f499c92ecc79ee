//! One connection's life: whoever holds the session owes nothing, since its drop is the
//! goodbye.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use serde::Serialize;

use crate::{
    connection::{Connection, Token},
    frame::Dialect,
    group::GroupName,
    hub::{Full, Hub, Moment, Stale, now},
    outbox::End,
    user::UserId,
};

/// An open connection. It is registered before this exists and never without it, so every
/// way out of the code that serves it — an end, an error, a panic, an abort — takes it out
/// of its groups.
#[derive(Debug)]
pub(crate) struct Session {
    hub: Arc<Hub>,
    connection: Arc<Connection>,
    goodbye: bool,
}

impl Session {
    /// Registers a connection, `hello` first among its frames.
    pub(crate) fn open(
        hub: &Arc<Hub>,
        user: Option<UserId>,
        dialect: Dialect,
        token: Option<Token>,
        hello: Option<&impl Serialize>,
    ) -> Result<Self, Full> {
        let connection = hub.open(user, dialect, token, hello)?;
        Ok(Self { hub: hub.clone(), connection, goodbye: false })
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Joins groups that the policy, asked at `asked`, has allowed.
    pub(crate) fn subscribe(&self, groups: &[GroupName], asked: Moment) -> Result<(), Stale> {
        self.hub.subscribe(&self.connection, groups, asked)
    }

    /// The next frame to write, or why the connection is to end.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Result<Bytes, End>> {
        self.connection.is_read(now());
        self.connection.outbox.poll_next(cx)
    }

    /// The next frame to write, or why the connection is to end. Nothing is lost where the
    /// future is dropped.
    pub(crate) async fn next(&self) -> Result<Bytes, End> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The client has said goodbye: its user leaves at once, without grace.
    pub(crate) fn say_goodbye(&mut self) {
        self.goodbye = true;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.hub.close(&self.connection, self.goodbye);
    }
}
