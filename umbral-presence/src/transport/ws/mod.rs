//! `GET {base}/ws`: a connection over a WebSocket.

mod beats;
mod fragments;
mod inbox;
mod lean;
mod metered;
mod reading;
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
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::{
    Error, Message,
    error::ProtocolError,
    protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
};

use self::{
    beats::{Beat, Beats},
    fragments::Fragments,
    inbox::Inbox,
    lean::Lean,
    metered::Metered,
    upgrade::{Io, Upgrade},
};
use super::{admission::admit, refusal::Refusal, site::Site};
use crate::{
    connection::End,
    counters::Counters,
    hub::{Outgoing, Session},
    limits::Limits,
    wire::Transport,
};

/// The heartbeat for pages, because a page cannot see pings.
const SIGN_OF_LIFE: &[u8] = br#"{"channel":"@conn","event":"@ping","data":{}}"#;

/// At most about this many bytes are written before the peer is read again.
const BATCH: usize = 16 * 1024;

/// The time in which the peer must close its side.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// A write that has waited for this time has waited for the peer. Shorter waits are those of tasks:
/// HTTP/2 passes what is written on to another one.
const WAITED: Duration = Duration::from_millis(50);

/// An idle connection holds its read buffer. Frames from clients are small.
const READ_BUFFER: usize = 1024;

/// This many bytes are gathered before they are written. A connection keeps the memory.
const WRITE_BUFFER: usize = 4 * 1024;

type Socket = Lean<Io>;

pub(super) async fn open(
    State(site): State<Arc<Site>>,
    mut parts: Parts,
) -> Result<Response, Refusal> {
    let upgrade = Upgrade::of(&mut parts).await?;
    let session = admit(&site, &parts, Transport::WebSocket).await?;
    // The closure owns the session, so an upgrade that fails drops both.
    Ok(upgrade.then(move |io| serve(io, session, site)))
}

fn config(limits: &Limits) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(limits.message_bytes))
        .max_frame_size(Some(limits.message_bytes))
}

async fn serve(io: Io, mut session: Session, site: Arc<Site>) {
    let limits = &site.door.hub.limits;
    let io = Metered::new(io, limits.inbound_bytes_per_second);
    // Boxed, because a future holds an argument twice: as it was given and as it is used.
    let mut socket = Box::new(Lean::new(io, config(limits)));
    let end = run(&mut socket, &mut session, &site).await;
    // The session ends first, so that others need not wait for the peer's answer.
    drop(session);
    let frame = end.map(|(code, reason)| CloseFrame { code, reason: reason.into() });
    let _ = timeout(CLOSE_WITHIN, socket.end(frame)).await;
}

/// The code and the reason of a close frame.
type Closing = (CloseCode, &'static str);

fn closing(end: End) -> Closing {
    match end {
        End::Overflow | End::Lost => (CloseCode::Again, "too slow"),
        End::Disconnected => (CloseCode::Policy, "disconnected"),
        End::IdentityChanged => (CloseCode::Policy, "another identity"),
        End::Draining => (CloseCode::Restart, "restart"),
    }
}

/// What to tell a peer that has sent something that cannot be read. `None` if it is only gone.
fn complaint(error: &Error) -> Option<Closing> {
    match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some((CloseCode::Protocol, "protocol error")),
        Error::Capacity(_) => Some((CloseCode::Size, "too long")),
        Error::Utf8(_) => Some((CloseCode::Invalid, "not UTF-8")),
        _ => None,
    }
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
