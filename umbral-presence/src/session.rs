//! One connection's life: whoever holds the session owes nothing, since its drop is the
//! goodbye.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, ready},
};

use serde::Serialize;
use serde_json::json;

use crate::{
    connection::{Connection, Opening},
    frame::Frames,
    group::GroupName,
    hub::{Full, Hub, Moment, Outdated, now},
    outbox::{End, Next},
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
        opening: Opening,
        hello: Option<&impl Serialize>,
    ) -> Result<Self, Full> {
        let connection = hub.open(opening, hello)?;
        Ok(Self { hub: hub.clone(), connection, goodbye: false })
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Joins groups that the policy, asked at `asked`, has allowed.
    pub(crate) fn subscribe(&self, groups: &[GroupName], asked: Moment) -> Result<(), Outdated> {
        self.hub.subscribe(&self.connection, groups, &[], asked, || ())
    }

    /// What to write next, or why the connection is to end.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Result<Frames, End>> {
        let Self { hub, connection, .. } = self;
        connection.is_read(now());
        loop {
            let frames = match ready!(connection.outbox.poll_next(cx))? {
                Next::Frames(frames) => frames,
                Next::Missed(missed) => {
                    let data = json!({ "missed": missed });
                    hub.encoder().control(connection.dialect, "@lagged", &data)
                }
                Next::Snapshot(place) => match hub.snapshot(connection, &place) {
                    Some(snapshot) => snapshot,
                    // Left meanwhile, or taken already.
                    None => continue,
                },
            };
            return Poll::Ready(Ok(frames));
        }
    }

    /// What to write next, or why the connection is to end. Nothing is lost where the future
    /// is dropped.
    pub(crate) async fn next(&self) -> Result<Frames, End> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The client has said goodbye: its user leaves at once, without grace.
    pub(crate) fn say_goodbye(&mut self) {
        self.goodbye = true;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.hub.depart(&self.connection, self.goodbye);
        self.hub.release();
    }
}
