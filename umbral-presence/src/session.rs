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
    hub::{Hub, NotOpened, Outdated, Permit, Verdict, now},
    journal,
    outbox::{End, Next},
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
    /// Given back after the goodbye, when the transport drops the session.
    permit: Option<Permit>,
}

impl Session {
    /// Opens a connection in the groups that the policy has allowed. `hello` gets those of them
    /// that have no presence and makes the first frame.
    pub(crate) fn open<H: Serialize>(
        hub: &Arc<Hub>,
        opening: Opening,
        verdict: &Verdict,
        hello: impl FnOnce(&[GroupName]) -> Option<H>,
    ) -> Result<Self, NotOpened> {
        let connection = hub.open(opening, verdict, hello)?;
        Ok(Self { hub: hub.clone(), connection, goodbye: false, permit: None })
    }

    /// Takes the permit that it was opened with.
    pub(crate) fn keep(&mut self, permit: Permit) {
        self.permit = Some(permit);
    }

    pub(crate) fn user(&self) -> Option<&UserId> {
        self.connection.user.as_ref()
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Joins groups that the policy has allowed.
    pub(crate) fn subscribe(&self, verdict: &Verdict) -> Result<(), Outdated> {
        self.hub.subscribe(&self.connection, verdict, |_| ())
    }

    /// What to write next, or why the connection is to end.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Result<Frames, End>> {
        let Self { hub, connection, .. } = self;
        connection.is_read(now());
        loop {
            let frames = match ready!(connection.outbox.poll_next(cx))? {
                Next::Frames(frames) => frames,
                Next::Missed(missed) => {
                    let user = connection.user.as_ref();
                    hub.counters().reached.note("outbox_bytes", hub.limits.outbox_bytes, user);
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
        journal::closed(&self.connection, self.goodbye);
    }
}
