//! `GET {base}/ws`: a connection over a WebSocket.

mod beats;
mod closing;
mod fragments;
mod inbox;
mod lean;
mod metered;
mod reading;
mod sign_in;
mod socket;
mod upgrade;
mod writer;

use std::{
    future::{Future, poll_fn},
    ops::ControlFlow,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use axum::{extract::State, response::Response};
use futures_util::{FutureExt, StreamExt};
use http::request::Parts;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Error, Message, protocol::frame::coding::CloseCode};
use tracing::Instrument as _;

use self::{
    beats::{Beat, Beats},
    closing::{Closing, close, closing, complaint},
    inbox::Inbox,
    sign_in::Visitor,
    socket::{Socket, socket},
    upgrade::{Io, Upgrade},
    writer::Writer,
};
use super::{
    admission::{admit, wish},
    refusal::Refusal,
    site::Site,
};
use crate::{counters::Counters, hub::Session, wire::Transport};

/// A write that has waited for this time has waited for the peer. Shorter waits are those of tasks:
/// HTTP/2 passes what is written on to another one.
const WAITED: Duration = Duration::from_millis(50);

pub(super) async fn open(
    State(site): State<Arc<Site>>,
    mut parts: Parts,
) -> Result<Response, Refusal> {
    let upgrade = Upgrade::of(&mut parts).await?;
    let wish = wish(&site, &parts, Transport::WebSocket)?;
    if wish.with_token {
        let turn = site.door.hub.turn(site.address.of(&parts))?;
        let visitor = Box::new(Visitor { parts, wish, turn });
        return Ok(upgrade.then(move |io| serve_visitor(io, visitor, site)));
    }
    let session = admit(&site, &parts, &wish).await?;
    // The closure owns the session, so an upgrade that fails drops both.
    Ok(upgrade.then(move |io| serve(io, session, site)))
}

fn serve(io: Io, session: Session, site: Arc<Site>) -> impl Future<Output = ()> + Send {
    let socket = socket(io, &site.door.hub.limits);
    serve_session(socket, session, site)
}

/// Serves a connection whose first text says who it is of.
fn serve_visitor(
    io: Io,
    visitor: Box<Visitor>,
    site: Arc<Site>,
) -> impl Future<Output = ()> + Send {
    let mut socket = socket(io, &site.door.hub.limits);
    async move {
        match Box::pin(visitor.sign_in(&mut socket, &site)).await {
            Ok(session) => serve_session(socket, session, site).await,
            Err(end) => close(socket, end).await,
        }
    }
}

#[expect(clippy::manual_async_fn, reason = "the future of an `async fn` holds its arguments twice")]
fn serve_session(
    mut socket: Box<Socket>,
    mut session: Session,
    site: Arc<Site>,
) -> impl Future<Output = ()> + Send {
    async move {
        let span = session.connection().span().clone();
        let end = run(&mut socket, &mut session, &site).instrument(span).await;
        // The session ends first, so that others need not wait for the peer's answer.
        drop(session);
        close(socket, end).await;
    }
}

/// Serves the connection until one side ends it. Returns why this side does, if it does.
async fn run(socket: &mut Socket, session: &mut Session, site: &Arc<Site>) -> Option<Closing> {
    let mut beats = Beats::new(session.connection().dialect().v1);
    let counters = site.door.hub.counters();
    let mut inbox = Inbox::new(site.clone(), session.connection().clone());
    let mut writer = Writer::default();
    loop {
        let mut heard = tokio::select! {
            filled = poll_fn(|cx| writer.poll_fill(session, cx)) => match filled {
                Ok(()) => None,
                Err(end) => return Some(closing(end)),
            },
            () = inbox.handle(), if inbox.is_busy() => None,
            message = socket.next() => Some(message),
            beat = poll_fn(|cx| beats.poll_next(cx)) => match beat {
                Beat::Ping => {
                    writer.ping();
                    None
                }
                Beat::Text => {
                    writer.sign_of_life();
                    None
                }
                Beat::Silence => {
                    counters.lost.add(1);
                    return None;
                }
            },
        };
        // What has been heard comes first. It may be the goodbye, behind which nothing can be written.
        if heard.is_none() && writer.has_something() {
            write(&mut writer, socket, session, &mut beats, counters).await?;
            // The peer is read even if there is always something to write to it.
            heard = socket.next().now_or_never();
        }
        if let Some(message) = heard {
            if let Some(Err(Error::Capacity(_))) = message {
                let (most, user) = (site.door.hub.limits.message_bytes, session.user());
                counters.reached.note("message_bytes", most, user);
            }
            beats.heard();
            if let ControlFlow::Break(end) = hear(message, session, &mut inbox) {
                return end;
            }
        }
    }
}

/// Writes a batch. `None` if the peer is gone, if it has not taken all when it counts as lost, or if
/// the session is cut off.
async fn write(
    writer: &mut Writer,
    socket: &mut Socket,
    session: &Session,
    beats: &mut Beats,
    counters: &Counters,
) -> Option<()> {
    let mut began_to_wait = None;
    poll_fn(|cx| {
        if let Poll::Ready(written) = writer.poll_write(socket, session, cx) {
            return Poll::Ready(written.ok());
        }
        began_to_wait.get_or_insert_with(Instant::now);
        if beats.poll_lost(cx).is_ready() {
            counters.lost.add(1);
            return Poll::Ready(None);
        }
        session.poll_cut(cx).map(|()| None)
    })
    .await?;
    session.has_written();
    if began_to_wait.is_some_and(|began| began.elapsed() >= WAITED) {
        // There was no room for a while. So the peer has read something and is there, though its
        // answer to a ping may stand behind much that it has still to read.
        beats.heard();
    }
    Some(())
}

/// Takes a message of the peer, or its end.
fn hear(
    message: Option<Result<Message, Error>>,
    session: &mut Session,
    inbox: &mut Inbox,
) -> ControlFlow<Option<Closing>> {
    match message {
        Some(Ok(Message::Text(text))) => inbox.take(&text),
        Some(Ok(Message::Close(frame))) => {
            // 1000 is a goodbye, and so is a `close()` without a code. A reload or a closed tab
            // sends 1001.
            if frame.is_none_or(|frame| frame.code == CloseCode::Normal) {
                session.say_goodbye();
            }
            return ControlFlow::Break(None);
        }
        Some(Ok(_)) => {}
        Some(Err(error)) => return ControlFlow::Break(complaint(&error)),
        None => return ControlFlow::Break(None),
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes the future has that a function gives.
    fn bytes<A, B, C, F>(_: fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn an_idle_connection_holds_its_session_and_no_message() {
        let least = size_of::<Session>() + size_of::<Inbox>() + size_of::<Beats>();
        let (all, of_a_visitor) = (bytes(serve), bytes(serve_visitor));
        assert!(2 * all < 5 * least, "{all} bytes, {least} at least");
        assert!(of_a_visitor < all + 2 * size_of::<Session>(), "{of_a_visitor} bytes");
    }
}
