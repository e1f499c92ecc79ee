//! `GET {base}/ws`: a WebSocket per connection.

use std::{future::Future, ops::ControlFlow, sync::Arc, time::Duration};

use axum::{
    extract::{
        FromRequestParts, State, WebSocketUpgrade,
        ws::{CloseCode, CloseFrame, Message, Utf8Bytes, WebSocket, close_code},
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{FutureExt, SinkExt};
use http::request::Parts;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout, timeout_at};
use tungstenite::{Error, error::ProtocolError};

use super::{Site, admission::admit, inbox::Inbox, refusal::Refusal};
use crate::{
    counters::Counters,
    frame::{Frames, Transport},
    outbox::End,
    session::Session,
};

/// How often the peer is asked for a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(11);

/// How long its answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// A peer of which nothing is heard for so long is gone: with a grace of 3 s its user leaves
/// within 25 s.
const SILENCE: Duration = HEARTBEAT.saturating_add(ANSWER);

/// What it has said may be here and not read yet, where this process stood still.
const LAST_CALL: Duration = Duration::from_millis(100);

/// So many bytes are written before the peer is listened to again.
const BATCH: usize = 16 * 1024;

/// How long the peer may take to close from its side.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// An idle connection holds its read buffer; frames from clients are small.
const READ_BUFFER: usize = 1024;

/// So much is gathered before it is written; a connection keeps the memory.
const WRITE_BUFFER: usize = 4 * 1024;

pub(super) async fn open(
    State(site): State<Arc<Site>>,
    mut parts: Parts,
) -> Result<Response, Response> {
    let upgrade =
        WebSocketUpgrade::from_request_parts(&mut parts, &()).await.map_err(|rejection| {
            Refusal::new(rejection.status(), "no_websocket", rejection.body_text()).into_response()
        })?;
    let session =
        admit(&site, &parts, Transport::WebSocket).await.map_err(IntoResponse::into_response)?;
    let most = site.door.hub.limits.message_bytes;
    Ok(upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(most)
        .max_frame_size(most)
        // The closure owns the session: an upgrade that fails drops both.
        .on_upgrade(move |socket| serve(socket, session, site)))
}

async fn serve(mut socket: WebSocket, mut session: Session, site: Arc<Site>) {
    let end = run(&mut socket, &mut session, &site).await;
    // The goodbye comes first: others need not wait for the peer's answer.
    drop(session);
    if let Some((code, reason)) = end {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        // Whether the peer takes it makes no difference any more.
        let _ = timeout(CLOSE_WITHIN, socket.send(Message::Close(Some(frame)))).await;
    }
    let peer_closes = async { while let Some(Ok(_)) = socket.recv().await {} };
    let _ = timeout(CLOSE_WITHIN, peer_closes).await;
}

/// The code and the reason of a close frame.
type Closing = (CloseCode, &'static str);

fn closing(end: End) -> Closing {
    match end {
        End::Overflow | End::Lost => (close_code::AGAIN, "too slow"),
        End::Disconnected => (close_code::POLICY, "disconnected"),
        End::IdentityChanged => (close_code::POLICY, "another identity"),
        End::Draining => (close_code::RESTART, "restart"),
    }
}

/// What to tell a peer that sends what cannot be read; `None` where it is only gone.
fn complaint(error: axum::Error) -> Option<Closing> {
    match error.into_inner().downcast_ref()? {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some((close_code::PROTOCOL, "protocol error")),
        Error::Capacity(_) => Some((close_code::SIZE, "too long")),
        Error::Utf8(_) => Some((close_code::INVALID, "not UTF-8")),
        _ => None,
    }
}

/// Serves the connection until one side ends it; gives why this side does.
async fn run(socket: &mut WebSocket, session: &mut Session, site: &Arc<Site>) -> Option<Closing> {
    let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut lost_at, mut last_call) = (Instant::now() + SILENCE, false);
    let counters = site.door.hub.counters();
    let mut inbox = Inbox::new(site.clone(), session.connection().clone());
    loop {
        let mut heard = None;
        tokio::select! {
            frame = session.next() => match frame {
                Ok(frames) => {
                    // A write that is stuck does not outlast a silent peer.
                    let writing = write_all(socket, session, frames);
                    within(counters, lost_at, writing).await?;
                    // Who has always something to read is heard all the same.
                    heard = socket.recv().now_or_never();
                }
                Err(end) => return Some(closing(end)),
            },
            () = inbox.handle(), if inbox.is_busy() => {}
            message = socket.recv() => heard = Some(message),
            _ = heartbeat.tick() => {
                let ping = socket.send(Message::Ping(Bytes::new()));
                within(counters, lost_at, ping).await?;
            }
            () = sleep_until(lost_at) => {
                if std::mem::replace(&mut last_call, true) {
                    counters.lost.add(1);
                    return None;
                }
                lost_at = Instant::now() + LAST_CALL;
            }
        }
        if let Some(message) = heard {
            (lost_at, last_call) = (Instant::now() + SILENCE, false);
            if let ControlFlow::Break(end) = hear(message, session, &mut inbox) {
                return end;
            }
        }
    }
}

/// Takes in what the peer has said, which may be its last word.
fn hear(
    message: Option<Result<Message, axum::Error>>,
    session: &mut Session,
    inbox: &mut Inbox,
) -> ControlFlow<Option<Closing>> {
    match message {
        Some(Ok(Message::Text(text))) => inbox.take(text),
        Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => {}
        Some(Ok(Message::Close(frame))) => {
            // 1000 is a goodbye, and so is a `close()` without a code; a reload or a closed
            // tab sends 1001.
            if frame.is_none_or(|frame| frame.code == close_code::NORMAL) {
                session.say_goodbye();
            }
            return ControlFlow::Break(None);
        }
        Some(Err(error)) => return ControlFlow::Break(complaint(error)),
        None => return ControlFlow::Break(None),
    }
    ControlFlow::Continue(())
}

/// Writes frames and what waits behind them with one flush.
async fn write_all(
    socket: &mut WebSocket,
    session: &Session,
    frames: Frames,
) -> Result<(), axum::Error> {
    let (mut next, mut written) = (Some(frames), 0);
    while let Some(frames) = next {
        for frame in frames.iter() {
            let text = Utf8Bytes::try_from(frame.clone());
            let text = text.expect("what is queued has been encoded as JSON");
            socket.feed(Message::Text(text)).await?;
        }
        written += frames.bytes();
        let more = (written < BATCH).then(|| session.next().now_or_never());
        next = more.flatten().and_then(Result::ok);
    }
    SinkExt::flush(socket).await
}

/// Waits for a write; `None` where the peer is gone, or takes nothing until then.
async fn within(
    counters: &Counters,
    until: Instant,
    writing: impl Future<Output = Result<(), axum::Error>>,
) -> Option<()> {
    let Ok(written) = timeout_at(until, writing).await else {
        counters.lost.add(1);
        return None;
    };
    written.ok()
}
