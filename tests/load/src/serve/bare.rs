//! axum without presence: a stream that says one thing and stays, which is the floor of what a
//! connection costs.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    extract::ws::{Message, WebSocketUpgrade},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use futures_util::{StreamExt, stream};

const HELLO_SSE: &str = r#"{"c":"@conn","e":"@hello","d":{}}"#;
const HELLO_WS: &str = r#"{"channel":"@conn","event":"@hello","data":{}}"#;

/// As small as they are useful.
const BUFFER: usize = 1024;

pub(crate) fn router() -> Router {
    Router::new().route("/realtime/sse", get(sse)).route("/realtime/ws", get(ws))
}

async fn sse() -> Response {
    let hello = Ok::<_, Infallible>(Event::default().event("u").data(HELLO_SSE));
    let stream = stream::iter([hello]).chain(stream::pending());
    let alive =
        KeepAlive::new().interval(Duration::from_secs(15)).event(Event::default().data("{}"));
    Sse::new(stream).keep_alive(alive).into_response()
}

async fn ws(upgrade: WebSocketUpgrade) -> Response {
    let upgrade = upgrade.read_buffer_size(BUFFER).write_buffer_size(BUFFER);
    upgrade.on_upgrade(|mut socket| async move {
        if socket.send(Message::text(HELLO_WS)).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    })
}
