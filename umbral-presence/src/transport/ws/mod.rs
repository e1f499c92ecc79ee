//! `GET {base}/ws`: a WebSocket per connection.

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
    pin::pin,
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

/// What shows a page that the server is there, since it cannot see pings.
const SIGN_OF_LIFE: &[u8] = br#"{"channel":"@conn","event":"@ping","data":{}}"#;

/// So many bytes are written before the peer is listened to again.
const BATCH: usize = 16 * 1024;

/// How long the peer may take to close from its side.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// An idle connection holds its read buffer; frames from clients are small.
const READ_BUFFER: usize = 1024;

/// So much is gathered before it is written; a connection keeps the memory.
const WRITE_BUFFER: usize = 4 * 1024;

type Socket = Lean<Io>;

pub(super) async fn open(
    State(site): State<Arc<Site>>,
    mut parts: Parts,
) -> Result<Response, Refusal> {
    let upgrade = Upgrade::of(&mut parts).await?;
    let session = admit(&site, &parts, Transport::WebSocket).await?;
    // The closure owns the session: an upgrade that fails drops both.
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
    // A future keeps what it is given beside what it makes of it: here a pointer.
    let mut socket = Box::new(Lean::new(io, config(limits)));
    let end = run(&mut socket, &mut session, &site).await;
    // The goodbye comes first: others need not wait for the peer's answer.
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

/// What to tell a peer that sends what cannot be read; `None` where it is only gone.
fn complaint(error: &Error) -> Option<Closing> {
    match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some((CloseCode::Protocol, "protocol error")),
        Error::Capacity(_) => Some((CloseCode::Size, "too long")),
        Error::Utf8(_) => Some((CloseCode::Invalid, "not UTF-8")),
        _ => None,
    }
}

/// Serves the connection until one side ends it; gives why this side does.
async fn run(socket: &mut Socket, session: &mut Session, site: &Arc<Site>) -> Option<Closing> {
    let mut beats = Beats::new(session.connection().dialect().v1);
    let mut last_call = false;
    let counters = site.door.hub.counters();
    let mut inbox = Inbox::new(site.clone(), session.connection().clone());
    let mut fragments = Fragments::default();
    loop {
        let mut heard = None;
        tokio::select! {
            message = next(&mut fragments, session) => match message {
                Ok(message) => {
                    // A write that is stuck does not outlast a silent peer.
                    {
                        // Pinned here: a future that is passed on takes its place twice.
                        let batch = pin!(write_batch(socket, &mut fragments, session, message));
                        within(counters, session, beats.lost_at(), batch).await?;
                    }
                    // Who has always something to read is heard all the same.
                    heard = socket.next().now_or_never();
                }
                Err(end) => return Some(closing(end)),
            },
            () = inbox.handle(), if inbox.is_busy() => {}
            message = socket.next() => heard = Some(message),
            beat = beats.next() => match beat {
                Beat::Ping => {
                    let ping = pin!(socket.send(Message::Ping(Bytes::new())));
                    within(counters, session, beats.lost_at(), ping).await?;
                }
                // Whoever is written to needs none.
                Beat::Text if fragments.is_idle() => {
                    fragments.push(Bytes::from_static(SIGN_OF_LIFE), true);
                }
                Beat::Text => {}
                Beat::Silence if last_call => {
                    counters.lost.add(1);
                    return None;
                }
                Beat::Silence => last_call = true,
            },
        }
        if let Some(message) = heard {
            if let Some(Err(Error::Capacity(_))) = message {
                let (most, user) = (site.door.hub.limits.message_bytes, session.user());
                counters.reached.note("message_bytes", most, user);
            }
            beats.heard();
            last_call = false;
            if let ControlFlow::Break(end) = hear(message, session, &mut inbox) {
                return end;
            }
        }
    }
}

/// Takes in what the peer has said, which may be its last word.
fn hear(
    message: Option<Result<Message, Error>>,
    session: &mut Session,
    inbox: &mut Inbox,
) -> ControlFlow<Option<Closing>> {
    match message {
        Some(Ok(Message::Text(text))) => inbox.take(&text),
        Some(Ok(Message::Close(frame))) => {
            // 1000 is a goodbye, and so is a `close()` without a code; a reload or a closed
            // tab sends 1001.
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

/// The next fragment, or why the connection is to end. Nothing is lost where the future is
/// dropped.
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

/// Writes a fragment and what waits behind it with one flush.
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

/// Waits for a write; `None` where the peer is gone, takes nothing until then, or is to be cut
/// off whatever it does.
async fn within(
    counters: &Counters,
    session: &Session,
    until: Instant,
    writing: impl Future<Output = Result<(), Error>>,
) -> Option<()> {
    tokio::select! {
        // The writing asks for what comes next as well, and whoever asked last is woken.
        biased;
        written = timeout_at(until, writing) => match written {
            Ok(written) => written.ok(),
            Err(_) => {
                counters.lost.add(1);
                None
            }
        },
        () = poll_fn(|cx| session.poll_cut(cx)) => None,
    }
}
