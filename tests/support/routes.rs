//! The routes, called without a socket: nothing but timers is waited for.

use std::collections::BTreeSet;

use axum::body::{Body, BodyDataStream, to_bytes};
use futures_util::StreamExt;
use http::{Request, Response, header::CONTENT_TYPE};
use serde_json::Value;
use tower::ServiceExt;
use umbral_presence::Realtime;

use crate::{
    client::Frame,
    server::{EVENT_STREAM, USER_HEADER},
};

/// Calls a route.
///
/// # Panics
///
/// Where the answer never comes.
pub async fn call(realtime: &Realtime, request: Request<Body>) -> Response<Body> {
    realtime.router().oneshot(request).await.expect("a router always answers")
}

/// A `control` call: its status, when to try again, and its answer.
///
/// # Panics
///
/// Where the answer is no JSON.
pub async fn control(
    realtime: &Realtime,
    user: &str,
    body: &Value,
) -> (u16, Option<String>, Value) {
    let request = Request::post("/realtime/control")
        .header(USER_HEADER, user)
        .header(CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .expect("a request");
    let response = call(realtime, request).await;
    let retry = response.headers().get("retry-after").cloned();
    let retry = retry.map(|value| value.to_str().expect("text").to_owned());
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    (status, retry, serde_json::from_slice(&body).expect("JSON"))
}

/// The ids of the members that a group has been told of, by `GET members`.
///
/// # Panics
///
/// Where the answer is no list of members that have ids.
pub async fn told(realtime: &Realtime, group: &str) -> BTreeSet<String> {
    let request = Request::get(format!("/realtime/members?group={group}")).body(Body::empty());
    let response = call(realtime, request.expect("a request")).await;
    let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let members = body["members"].as_array().expect("a list").iter();
    members.map(|member| member["id"].as_str().expect("an id").to_owned()).collect()
}

/// The body of an event stream.
#[derive(Debug)]
pub struct Chunks(BodyDataStream);

impl Chunks {
    /// Opens an event stream as `user`.
    ///
    /// # Panics
    ///
    /// Where it is refused.
    pub async fn open(realtime: &Realtime, user: &str, query: &str) -> Self {
        let request = Request::get(format!("/realtime/sse?{query}"))
            .header(EVENT_STREAM.0, EVENT_STREAM.1)
            .header(USER_HEADER, user);
        let response = call(realtime, request.body(Body::empty()).expect("a request")).await;
        Self::of(response)
    }

    /// The stream that an answer is.
    ///
    /// # Panics
    ///
    /// Where it is a refusal.
    pub fn of(response: Response<Body>) -> Self {
        assert_eq!(response.status(), 200);
        Self(response.into_body().into_data_stream())
    }

    /// What is written next, at once; `None` at the end.
    ///
    /// # Panics
    ///
    /// Where it is no text.
    pub async fn text(&mut self) -> Option<String> {
        let chunk = self.0.next().await?.expect("a body that cannot fail");
        Some(String::from_utf8(chunk.to_vec()).expect("text"))
    }

    /// The frames of the next chunk that has some; `None` at the end.
    ///
    /// # Panics
    ///
    /// Where one cannot be read.
    pub async fn frames(&mut self) -> Option<Vec<Frame>> {
        loop {
            let text = self.text().await?;
            let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
            let frames = lines.filter(|data| *data != "{}");
            let frames: Vec<Frame> =
                frames.map(|data| serde_json::from_str(data).expect("a frame")).collect();
            if !frames.is_empty() {
                return Some(frames);
            }
        }
    }

    /// The token of a stream with `v=1`, from its first frame.
    ///
    /// # Panics
    ///
    /// Where there is none.
    pub async fn token(&mut self) -> String {
        let hello = &self.frames().await.expect("a hello")[0];
        hello.data["conn"].as_str().expect("a token").to_owned()
    }
}
