//! `GET {base}/ws`: a WebSocket per connection.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

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
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout, timeout_at};
use tungstenite::{Error, error::ProtocolError};

use super::{
    admission::{MOST_QUESTIONS, admit, group_names, sort_out},
    refusal::Refusal,
};
use crate::{
    ask::ask,
    connection::Connection,
    frame::{Frames, Transport},
    hub::{Stale, now},
    message::MessageContext,
    outbox::End,
    rate::Rate,
    realtime::App,
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

/// While a message is handled nothing is read, so silence says nothing: a peer that takes
/// nothing for so long is gone.
const WRITE_WITHIN: Duration = Duration::from_secs(30);

/// So many bytes are written before the peer is listened to again.
const BATCH: usize = 16 * 1024;

/// How long the peer may take to close from its side.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// An idle connection holds its read buffer; frames from clients are small.
const READ_BUFFER: usize = 1024;

pub(super) async fn open(
    State(app): State<Arc<App>>,
    mut parts: Parts,
) -> Result<Response, Response> {
    let upgrade =
        WebSocketUpgrade::from_request_parts(&mut parts, &()).await.map_err(|rejection| {
            Refusal::new(rejection.status(), "no_websocket", rejection.body_text()).into_response()
        })?;
    let session =
        admit(&app, &parts, Transport::WebSocket).await.map_err(IntoResponse::into_response)?;
    let most = app.hub.limits.message_bytes;
    Ok(upgrade
        .read_buffer_size(READ_BUFFER)
        .max_message_size(most)
        .max_frame_size(most)
        // The closure owns the session: an upgrade that fails drops both.
        .on_upgrade(move |socket| serve(socket, session, app)))
}

/// What a client asks for; other texts are the application's.
#[derive(Debug, Deserialize)]
struct Operation {
    op: Verb,
    groups: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verb {
    Join,
    Leave,
    /// The snapshots once more.
    Sync,
}

/// A message of the client that is being handled. The next one is read when it is done,
/// so that they are handled in order.
type Handling = Pin<Box<dyn Future<Output = ()> + Send>>;

async fn serve(mut socket: WebSocket, mut session: Session, app: Arc<App>) {
    let end = run(&mut socket, &mut session, &app).await;
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
async fn run(socket: &mut WebSocket, session: &mut Session, app: &Arc<App>) -> Option<Closing> {
    let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut lost_at, mut last_call) = (Instant::now() + SILENCE, false);
    let mut handling: Option<Handling> = None;
    let per_second = app.hub.limits.messages_per_second;
    let mut rate = Rate::new(per_second, now());
    loop {
        // A write that is stuck must not outlast a silent peer.
        let listens = handling.is_none();
        let write_until = if listens { lost_at } else { Instant::now() + WRITE_WITHIN };
        tokio::select! {
            frame = session.next() => match frame {
                Ok(frames) => {
                    let writing = write_all(socket, session, frames);
                    app.within(write_until, writing).await?;
                }
                Err(end) => return Some(closing(end)),
            },
            () = handled(&mut handling), if !listens => {
                handling = None;
                // Nothing was read meanwhile; the pong may be there already.
                lost_at = lost_at.max(Instant::now() + ANSWER);
            }
            message = socket.recv(), if listens => {
                (lost_at, last_call) = (Instant::now() + SILENCE, false);
                let message = match message? {
                    Ok(message) => message,
                    Err(error) => return complaint(error),
                };
                match message {
                    // Dropped and not put off: what waits would be the client's to fill.
                    Message::Text(_) if !rate.admits(now()) => {
                        let refusal = Refusal::too_fast(per_second).body();
                        app.hub.tell(session.connection(), "@refused", &refusal);
                    }
                    Message::Text(text) => {
                        handling = Some(Box::pin(handle(
                            app.clone(),
                            session.connection().clone(),
                            text,
                        )));
                    }
                    Message::Close(frame) => {
                        // 1000 is a goodbye, and so is a `close()` without a code; a
                        // reload or a closed tab sends 1001.
                        if frame.is_none_or(|frame| frame.code == close_code::NORMAL) {
                            session.say_goodbye();
                        }
                        return None;
                    }
                    Message::Binary(_) | Message::Ping(_) | Message::Pong(_) => {}
                }
            }
            _ = heartbeat.tick() => {
                let ping = socket.send(Message::Ping(Bytes::new()));
                app.within(write_until, ping).await?;
            }
            () = sleep_until(lost_at), if listens => {
                if std::mem::replace(&mut last_call, true) {
                    app.hub.counters().lost.add(1);
                    return None;
                }
                lost_at = Instant::now() + LAST_CALL;
            }
        }
    }
}

async fn handled(handling: &mut Option<Handling>) {
    if let Some(handling) = handling {
        handling.await;
    }
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

impl App {
    /// Waits for a write; `None` where the peer is gone, or takes nothing until then.
    async fn within(
        &self,
        until: Instant,
        writing: impl Future<Output = Result<(), axum::Error>>,
    ) -> Option<()> {
        let Ok(written) = timeout_at(until, writing).await else {
            self.hub.counters().lost.add(1);
            return None;
        };
        written.ok()
    }
}

/// Handles one text of the client.
async fn handle(app: Arc<App>, connection: Arc<Connection>, text: Utf8Bytes) {
    if let Ok(operation) = serde_json::from_str::<Operation>(&text) {
        return operate(&app, &connection, &operation).await;
    }
    let Some(handler) = &app.handler else {
        tracing::debug!("a message came and there is no handler; it is ignored");
        return;
    };
    let context = MessageContext::new(app.clone(), connection);
    let handled = ask(Duration::MAX, || handler.on_message(&context, &text)).await;
    if handled.is_err() {
        tracing::error!(user = ?context.user_id(), "the message handler panicked");
    }
}

async fn operate(app: &App, connection: &Arc<Connection>, operation: &Operation) {
    let hub = &app.hub;
    let names = match group_names(app, operation.groups.iter().map(String::as_str)) {
        Ok(names) => names,
        Err(refusal) => return hub.tell(connection, "@refused", &refusal.body()),
    };
    match operation.op {
        Verb::Join => {}
        Verb::Leave => {
            let left = hub.unsubscribe(connection, &names);
            return hub.tell(connection, "@left", &json!({ "groups": left }));
        }
        Verb::Sync => return hub.resync(connection, &names),
    }
    let room = hub.limits.groups_per_connection;
    let held = connection.groups().len();
    let new = names.iter().filter(|name| !connection.is_in(name)).count();
    if held + new > room {
        let refusal = Refusal::too_many_groups(room);
        return hub.tell(connection, "@refused", &refusal.body());
    }
    for _ in 0..MOST_QUESTIONS {
        let asked = hub.revocations.now();
        let (allowed, denied) = match sort_out(app, connection.user.as_ref(), names.clone()).await {
            Ok(answers) => answers,
            Err(refusal) => return hub.tell(connection, "@refused", &refusal.body()),
        };
        if let Err(Stale) = hub.subscribe(connection, &allowed, asked) {
            continue;
        }
        if !allowed.is_empty() {
            hub.tell(connection, "@joined", &json!({ "groups": allowed }));
        }
        for group in denied {
            hub.tell(connection, "@denied", &json!({ "group": group }));
        }
        return;
    }
    hub.tell(connection, "@refused", &Refusal::revoked().body());
}
