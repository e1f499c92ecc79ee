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

use std::{
    future::{Future, poll_fn},
    ops::ControlFlow,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use axum::{extract::State, response::Response};
use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt};
use http::request::Parts;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite::{Error, Message, protocol::frame::coding::CloseCode};
use tracing::Instrument as _;

use self::{
    beats::{Beat, Beats},
    closing::{Closing, close, closing, complaint},
    fragments::Fragments,
    inbox::Inbox,
    sign_in::Visitor,
    socket::{Socket, socket},
    upgrade::{Io, Upgrade},
};
use super::{
    admission::{admit, wish},
    refusal::Refusal,
    site::Site,
};
use crate::{
    connection::End,
    counters::Counters,
    hub::{Outgoing, Session},
    wire::Transport,
};

/// The heartbeat for pages, because a page cannot see pings.
const SIGN_OF_LIFE: &[u8] = br#"{"channel":"@conn","event":"@ping","data":{}}"#;

/// At most about this many bytes are written before the peer is read again.
const BATCH: usize = 16 * 1024;

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
        let visitor = Visitor { parts, wish, turn };
        return Ok(upgrade.then(move |io| serve_visitor(io, visitor, site)));
    }
    let session = admit(&site, &parts, &wish).await?;
    // The closure owns the session, so an upgrade that fails drops both.
    Ok(upgrade.then(move |io| serve(io, session, site)))
}

async fn serve(io: Io, session: Session, site: Arc<Site>) {
    let socket = socket(io, &site.door.hub.limits);
    serve_session(socket, session, site).await;
}

/// Serves a connection whose first text says who it is of.
async fn serve_visitor(io: Io, visitor: Visitor, site: Arc<Site>) {
    let mut socket = socket(io, &site.door.hub.limits);
    match Box::pin(visitor.sign_in(&mut socket, &site)).await {
        Ok(session) => serve_session(socket, session, site).await,
        Err(end) => close(socket, end).await,
    }
}

async fn serve_session(mut socket: Box<Socket>, mut session: Session, site: Arc<Site>) {
    let span = session.connection().span().clone();
    let end = run(&mut socket, &mut session, &site).instrument(span).await;
    // The session ends first, so that others need not wait for the peer's answer.
    drop(session);
    close(socket, end).await;
}

/// Serves the connection until one side ends it. Returns why this side does, if it does.
async fn run(socket: &mut Socket, session: &mut Session, site: &Arc<Site>) -> Option<Closing> {
    let mut beats = Beats::new(session.connection().dialect().v1);
    let counters = site.door.hub.counters();
    let mut inbox = Inbox::new(site.clone(), session.connection().clone());
    let mut fragments = Fragments::default();
    loop {
        let mut heard = None;
        tokio::select! {
            message = next(&mut fragments, session) => match message {
                Ok(message) => {
                    let written = {
                        // Pinned here, because a future that is passed on takes memory twice.
                        let batch = pin!(write_batch(socket, &mut fragments, session, message));
                        // A write that is stuck ends when the peer counts as lost.
                        within(counters, session, beats.lost_at(), batch).await?
                    };
                    if written.has_waited {
                        beats.heard();
                    }
                    // The peer is read even if there is always something to write to it.
                    heard = socket.next().now_or_never();
                }
                Err(end) => return Some(closing(end)),
            },
            () = inbox.handle(), if inbox.is_busy() => {}
            message = socket.next() => heard = Some(message),
            beat = beats.next() => match beat {
                Beat::Ping => {
                    let ping = pin!(socket.send(Message::Ping(Bytes::new())));
                    if within(counters, session, beats.lost_at(), ping).await?.has_waited {
                        beats.heard();
                    }
                }
                // A page that is being written to needs no heartbeat.
                Beat::Text if fragments.is_idle() => {
                    fragments.push(Bytes::from_static(SIGN_OF_LIFE), true);
                }
                Beat::Text => {}
                Beat::Silence => {
                    counters.lost.add(1);
                    return None;
                }
            },
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

/// The next fragment, or why the connection ends. No fragment is lost if the future is dropped.
async fn next(fragments: &mut Fragments, session: &Session) -> Result<Message, End> {
    loop {
        if let Some(message) = fragments.next() {
            return Ok(message);
        }
        match session.next().await? {
            Outgoing::Frames(texts) => {
                texts.iter().for_each(|text| fragments.push(text.clone(), true));
            }
            Outgoing::Piece(piece) => fragments.push(piece.bytes, piece.is_last),
        }
    }
}

/// Writes a fragment, and the ones that wait behind it, with one flush.
async fn write_batch(
    socket: &mut Socket,
    fragments: &mut Fragments,
    session: &Session,
    first: Message,
) -> Result<(), Error> {
    let (mut message, mut written) = (Some(first), 0);
    while let Some(fragment) = message {
        written += fragment.len();
        socket.feed(fragment).await?;
        let more = (written < BATCH).then(|| next(fragments, session).now_or_never());
        message = more.flatten().and_then(Result::ok);
    }
    SinkExt::flush(socket).await
}

/// A write that has ended.
struct Written {
    /// There was no room for a while. Then the peer has read something, and so it is there, though
    /// its answer to a ping may stand behind much that it has still to read.
    has_waited: bool,
}

/// Waits for a write. `None` if the peer is gone, if it has not taken all before `until`, or if the
/// session is cut off.
async fn within(
    counters: &Counters,
    session: &Session,
    until: Instant,
    mut writing: Pin<&mut impl Future<Output = Result<(), Error>>>,
) -> Option<Written> {
    let mut began_to_wait = None;
    let writing = poll_fn(|cx| {
        let written = writing.as_mut().poll(cx);
        if written.is_pending() {
            began_to_wait.get_or_insert_with(Instant::now);
        }
        written
    });
    tokio::select! {
        // The writing asks the session for more too, and the session wakes the one that asked last.
        biased;
        written = timeout_at(until, writing) => match written {
            Ok(written) => {
                written.ok()?;
                session.has_written();
                let has_waited = began_to_wait.is_some_and(|began| began.elapsed() >= WAITED);
                Some(Written { has_waited })
            }
            Err(_) => {
                counters.lost.add(1);
                None
            }
        },
        () = poll_fn(|cx| session.poll_cut(cx)) => None,
    }
}
