//! What is written to a peer: texts in fragments, and pings between them.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::SinkExt;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{fragments::Fragments, socket::Socket};
use crate::{
    connection::End,
    hub::{Outgoing, Session},
};

/// The heartbeat for pages, because a page cannot see pings.
const SIGN_OF_LIFE: &[u8] = br#"{"channel":"@conn","event":"@ping","data":{}}"#;

/// At most about this many bytes are written before the peer is read again.
const BATCH: usize = 16 * 1024;

/// It holds what waits and no future, so nothing is lost if the one who polls it stops.
#[derive(Debug, Default)]
pub(super) struct Writer {
    fragments: Fragments,
    /// Whether a ping is to be written.
    ping: bool,
    /// How many bytes of the batch have been handed to the socket.
    batch: usize,
    /// Whether all of the batch has been handed to the socket, which has not written all of it.
    is_flushing: bool,
}

impl Writer {
    /// Has a ping written, before all texts.
    pub(super) fn ping(&mut self) {
        self.ping = true;
    }

    /// Has a heartbeat written for the page. A page that is being written to needs none.
    pub(super) fn sign_of_life(&mut self) {
        if self.fragments.is_idle() {
            self.fragments.push(Bytes::from_static(SIGN_OF_LIFE), true);
        }
    }

    pub(super) fn has_something(&self) -> bool {
        self.ping || !self.fragments.is_empty()
    }

    /// Waits for something to write. An error says why the connection ends.
    pub(super) fn poll_fill(
        &mut self,
        session: &Session,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), End>> {
        while self.fragments.is_empty() {
            match ready!(session.poll_next(cx))? {
                Outgoing::Frames(texts) => self.fragments.push_texts(&texts),
                Outgoing::Piece(piece) => self.fragments.push(piece.bytes, piece.is_last),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what there is, and what comes behind it meanwhile, with one flush.
    pub(super) fn poll_write(
        &mut self,
        socket: &mut Socket,
        session: &Session,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        while !self.is_flushing && self.batch < BATCH {
            // Nothing is taken before there is room for it.
            ready!(socket.poll_ready_unpin(cx))?;
            let Some(message) = self.next(session, cx) else {
                break;
            };
            self.batch += message.len();
            socket.start_send_unpin(message)?;
        }
        self.is_flushing = true;
        ready!(socket.poll_flush_unpin(cx))?;
        (self.batch, self.is_flushing) = (0, false);
        Poll::Ready(Ok(()))
    }

    fn next(&mut self, session: &Session, cx: &mut Context<'_>) -> Option<Message> {
        if std::mem::take(&mut self.ping) {
            return Some(Message::Ping(Bytes::new()));
        }
        // An end comes again when it is waited for.
        let _ = self.poll_fill(session, cx);
        self.fragments.next()
    }
}
