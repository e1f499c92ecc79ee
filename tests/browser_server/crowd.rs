//! Many people at a steady rate, without a browser or a socket for each.

use std::{num::NonZeroU32, time::Duration};

use axum::{Json, body::Body, extract::State};
use http::{Request, StatusCode, header};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};
use tower::ServiceExt;
use umbral_presence::Realtime;

/// `count` users named `{name}-0`, `{name}-1`, .. come into a group, so many per second.
#[derive(Deserialize)]
pub(crate) struct Crowd {
    group: String,
    name: String,
    count: u32,
    per_second: NonZeroU32,
}

/// Answers when all have come. Each opens a stream and loses it, so that the group's grace
/// is how long they stay.
pub(crate) async fn come(State(realtime): State<Realtime>, Json(crowd): Json<Crowd>) -> StatusCode {
    let router = realtime.router();
    let path = format!("/realtime/sse?groups={}", crowd.group);
    let start = Instant::now();
    for i in 0..crowd.count {
        sleep_until(start + Duration::from_secs(1) * i / crowd.per_second.get()).await;
        let request = Request::get(&path)
            .header(header::ACCEPT, "text/event-stream")
            .header(header::COOKIE, format!("user={}-{i}", crowd.name))
            .body(Body::empty());
        let Ok(request) = request else {
            return StatusCode::BAD_REQUEST;
        };
        match router.clone().oneshot(request).await {
            Ok(response) if response.status() == StatusCode::OK => {}
            Ok(response) => return response.status(),
            Err(error) => match error {},
        }
    }
    StatusCode::NO_CONTENT
}
