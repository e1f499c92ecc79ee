//! `GET {base}/sse`: a connection over an event stream.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_core::Stream;
use http::{header, request::Parts};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::{
    admission::{admit, wish},
    refusal::Refusal,
    site::{HEARTBEAT, Site},
};
use crate::{
    connection::{End, Window},
    hub::{Outgoing, Session},
    wire::Transport,
};

const PING: Bytes = Bytes::from_static(b"event: ping\ndata: {}\n\n");

pub(super) async fn open(State(site): State<Arc<Site>>, parts: Parts) -> Result<Response, Refusal> {
    let session = admit(&site, &parts, &wish(&site, &parts, Transport::Sse)?).await?;
    let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        // Asks nginx not to buffer the stream.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let number = session.reader().dialect.is_plain_sse().then_some(0);
    let stream = EventStream { session, heartbeat, number, is_inside: false, behind: None };
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// The body of the answer. hyper drops it when the client is gone, and the drop ends the session.
struct EventStream {
    session: Session,
    heartbeat: Interval,
    /// The `id:` of the next event of a plain stream. It is counted per connection, so that it tells
    /// nothing about what others are sent.
    number: Option<u64>,
    /// Whether a frame has begun whose last piece has not come yet.
    is_inside: bool,
    /// The bytes that follow an `id:` that has been sent.
    behind: Option<Bytes>,
}

/// The stream is cut off before everything has been written. hyper then closes the socket.
#[derive(Debug, thiserror::Error)]
#[error("the stream has been ended")]
struct Cut;

impl Stream for EventStream {
    type Item = Result<Bytes, Cut>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // A stream may be cut off if it has no room or is in the middle of a large frame.
        let has_room = self.session.reader().window.has_room(cx.waker());
        if (!has_room || self.is_inside) && self.session.poll_cut(cx).is_ready() {
            return self.end();
        }
        if !has_room {
            return Poll::Pending;
        }
        match self.poll_bytes(cx) {
            Poll::Ready(Ok(bytes)) => {
                Poll::Ready(Some(Ok(Window::send(self.session.reader(), bytes))))
            }
            Poll::Ready(Err(_)) => self.end(),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl EventStream {
    /// Ends the stream after what is under way has been written, or cuts it off.
    fn end(&self) -> Poll<Option<Result<Bytes, Cut>>> {
        let is_cut = self.session.is_cut() && self.session.reader().window.progress().is_some();
        Poll::Ready(is_cut.then_some(Err(Cut)))
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, End>> {
        if let Some(bytes) = self.behind.take() {
            return Poll::Ready(Ok(bytes));
        }
        let (bytes, is_last) = match self.session.poll_next(cx) {
            Poll::Ready(Ok(Outgoing::Frames(frames))) => {
                // The frames of an event stream are one chunk.
                (frames.iter().next().cloned().unwrap_or_default(), true)
            }
            Poll::Ready(Ok(Outgoing::Piece(piece))) => (piece.bytes, piece.is_last),
            Poll::Ready(Err(end)) => return Poll::Ready(Err(end)),
            Poll::Pending if self.heartbeat.poll_tick(cx).is_ready() => {
                return Poll::Ready(Ok(PING));
            }
            Poll::Pending => return Poll::Pending,
        };
        let begins = !std::mem::replace(&mut self.is_inside, !is_last);
        let Some(number) = self.number.as_mut().filter(|_| begins) else {
            return Poll::Ready(Ok(bytes));
        };
        let id = Bytes::from(format!("id: {number}\n"));
        *number += 1;
        self.behind = Some(bytes);
        Poll::Ready(Ok(id))
    }
}
