//! `GET {base}/sse`: an event stream per connection.

use std::{
    convert::Infallible,
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

use super::{HEARTBEAT, Site, admission::admit, refusal::Refusal};
use crate::{frame::Transport, session::Session};

const PING: Bytes = Bytes::from_static(b"event: ping\ndata: {}\n\n");

pub(super) async fn open(State(site): State<Arc<Site>>, parts: Parts) -> Result<Response, Refusal> {
    let session = admit(&site, &parts, Transport::Sse).await?;
    let mut heartbeat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache, no-transform"),
        // Asks nginx not to hold the stream back.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let body = Body::from_stream(EventStream { session, heartbeat });
    Ok((headers, body).into_response())
}

/// The body. Dropping it, which is what happens when the client is gone, is the goodbye.
struct EventStream {
    session: Session,
    heartbeat: Interval,
}

impl Stream for EventStream {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.session.poll_next(cx) {
            Poll::Ready(Ok(frames)) => return Poll::Ready(frames.iter().next().cloned().map(Ok)),
            Poll::Ready(Err(_)) => return Poll::Ready(None),
            Poll::Pending => {}
        }
        if self.heartbeat.poll_tick(cx).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(PING)))
    }
}
