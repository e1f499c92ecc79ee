//! One connection's life. The holder of a session owes nothing: its drop is the goodbye.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, ready},
};

use parking_lot::Mutex;
use serde::Serialize;
use serde_json::json;

use super::{
    admission::Permit,
    connection::{Connection, Opening},
    core::Hub,
    joining::Verdict,
    opening::NotOpened,
    revocations::Outdated,
};
use crate::{
    clock::now,
    connection::{End, Next, Reader, log},
    name::{GroupName, UserId},
    wire::{Frames, Piece, Pieces},
};

/// An open connection. It is registered before this exists and never without it, so every
/// way out of the code that serves it — an end, an error, a panic, an abort — takes it out
/// of its groups.
#[derive(Debug)]
pub(crate) struct Session {
    hub: Arc<Hub>,
    connection: Arc<Connection>,
    /// The connection's. What is written is taken from it, without a look at the connection.
    reader: Arc<Reader>,
    goodbye: bool,
    /// Given back after the goodbye, when the transport drops the session.
    permit: Option<Permit>,
    /// The large snapshot that is being written. The one reader alone locks it.
    under_way: Mutex<Option<Box<Pieces>>>,
}

/// What to write next.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// Whole frames.
    Frames(Frames),
    /// A piece of a frame; nothing else comes before its last piece.
    Piece(Piece),
}

impl Outgoing {
    /// How many bytes it has.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Frames(frames) => frames.bytes(),
            Self::Piece(piece) => piece.bytes.len(),
        }
    }
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
        let (hub, reader, under_way) = (hub.clone(), connection.reader.clone(), Mutex::default());
        Ok(Self { hub, connection, reader, goodbye: false, permit: None, under_way })
    }

    /// Takes the permit that it was opened with.
    pub(crate) fn keep(&mut self, permit: Permit) {
        self.permit = Some(permit);
    }

    pub(crate) fn user(&self) -> Option<&UserId> {
        self.connection.user()
    }

    pub(crate) fn reader(&self) -> &Arc<Reader> {
        &self.reader
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Joins groups that the policy has allowed.
    pub(crate) fn subscribe(&self, verdict: &Verdict) -> Result<(), Outdated> {
        self.hub.subscribe(&self.connection, verdict, |_, _| ())
    }

    /// What to write next, or why the connection is to end.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Result<Outgoing, End>> {
        let Self { hub, reader, .. } = self;
        let Reader { outbox, dialect, .. } = &**reader;
        let dialect = *dialect;
        reader.liveness.is_read(now());
        let mut under_way = self.under_way.lock();
        if let Some(piece) = under_way.as_mut().and_then(Iterator::next) {
            if piece.is_last {
                *under_way = None;
            }
            return Poll::Ready(Ok(Outgoing::Piece(piece)));
        }
        loop {
            let frames = match ready!(outbox.poll_next(cx))? {
                Next::Frames(frames) => frames,
                Next::Missed(missed) => {
                    let user = reader.user.as_ref();
                    hub.counters().reached.note("outbox_bytes", hub.limits.outbox_bytes, user);
                    let data = json!({ "missed": missed });
                    hub.encoder().control(dialect, "@lagged", &data)
                }
                Next::Snapshot(place) => {
                    // Left meanwhile, or taken already.
                    let Some(snapshot) = place.snapshot(outbox) else {
                        continue;
                    };
                    if let Some(frames) = snapshot.whole(dialect) {
                        frames
                    } else if let Some(piece) =
                        under_way.insert(Box::new(snapshot.pieces(dialect))).next()
                    {
                        return Poll::Ready(Ok(Outgoing::Piece(piece)));
                    } else {
                        continue;
                    }
                }
            };
            return Poll::Ready(Ok(Outgoing::Frames(frames)));
        }
    }

    /// The transport has written something, as far as the socket takes it.
    pub(crate) fn has_written(&self) {
        self.reader.liveness.has_written(now());
    }

    /// Whether the connection has been ended at once, for a transport that can take nothing
    /// now.
    pub(crate) fn poll_cut(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.reader.outbox.poll_cut(cx)
    }

    /// Whether the connection has been ended at once.
    pub(crate) fn is_cut(&self) -> bool {
        self.reader.outbox.is_cut()
    }

    /// What to write next, or why the connection is to end. Nothing is lost where the future
    /// is dropped.
    pub(crate) async fn next(&self) -> Result<Outgoing, End> {
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
        if self.reader.outbox.ended() == Some(End::Overflow) {
            let (hub, user) = (&self.hub, self.user());
            hub.counters().reached.note("outbox_bytes", hub.limits.outbox_bytes, user);
        }
        log::closed(&self.reader, self.goodbye);
    }
}
