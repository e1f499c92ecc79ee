//! The routes, called without a socket: nothing but timers is waited for.

use std::collections::BTreeSet;

use axum::body::{Body, BodyDataStream, to_bytes};
use futures_util::{FutureExt, StreamExt};
use http::{Request, Response, header::CONTENT_TYPE};
use serde_json::Value;
use tower::ServiceExt;
use umbral_presence::Realtime;

use crate::{
    frame::Frame,
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

/// What asks for `/realtime/{path}`, as a user or as nobody.
///
/// # Panics
///
/// Where the path or the user cannot be in a request.
pub fn get(path: &str, user: Option<&str>) -> Request<Body> {
    let request = Request::get(format!("/realtime/{path}"));
    let mut request = request.header(EVENT_STREAM.0, EVENT_STREAM.1);
    if let Some(user) = user {
        request = request.header(USER_HEADER, user);
    }
    request.body(Body::empty()).expect("a request")
}

/// The JSON that an answer is.
///
/// # Panics
///
/// Where it is something else.
pub async fn json(response: Response<Body>) -> Value {
    let body = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    serde_json::from_slice(&body).expect("JSON")
}

/// The code of a refusal.
pub fn code(body: &Value) -> &str {
    body["error"]["code"].as_str().unwrap_or("no code")
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
    (response.status().as_u16(), retry, json(response).await)
}

/// The ids of the members that a group has been told of, by `GET members`.
///
/// # Panics
///
/// Where the answer is no list of members that have ids.
pub async fn told(realtime: &Realtime, group: &str) -> BTreeSet<String> {
    let request = get(&format!("members?group={group}"), None);
    let body = json(call(realtime, request).await).await;
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
        Self::of(call(realtime, get(&format!("sse?{query}"), Some(user))).await)
    }

    /// Opens an event stream as nobody.
    ///
    /// # Panics
    ///
    /// Where it is refused.
    pub async fn anonymous(realtime: &Realtime, query: &str) -> Self {
        Self::of(call(realtime, get(&format!("sse?{query}"), None)).await)
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
            let frames = frames_of(&self.text().await?);
            if !frames.is_empty() {
                return Some(frames);
            }
        }
    }

    /// The frames that have arrived by now.
    ///
    /// # Panics
    ///
    /// Where one cannot be read.
    pub fn arrived(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(Some(text)) = self.text().now_or_never() {
            frames.extend(frames_of(&text));
        }
        frames
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

/// The frames of a chunk, without the heartbeats.
fn frames_of(text: &str) -> Vec<Frame> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let frames = lines.filter(|data| *data != "{}");
    frames.map(|data| serde_json::from_str(data).expect("a frame")).collect()
}
