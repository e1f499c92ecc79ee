//! The server of the browser tests: pages that record what they get, and what a test asks
//! for from outside: messages, people, an end.
//!
//! `browser-server PORT` (0: any that is free) says where it is on its first line. Whoever
//! has a cookie `user=ada` is signed in as Ada.

mod crowd;
mod pages;

use std::{env, error::Error, io::Write as _, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use http::{HeaderMap, StatusCode, header, request::Parts};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use umbral_presence::{
    BuildError, MessageContext, MessageHandler, PresenceSpec, Realtime, RealtimePlugin,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let realtime = realtime()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    writeln!(std::io::stdout(), "http://{}", listener.local_addr()?)?;
    axum::serve(listener, router(&realtime)).await?;
    Ok(())
}

/// Rooms with the usual grace, and two families with a longer one.
fn realtime() -> Result<Realtime, BuildError> {
    RealtimePlugin::new()
        .without_declared()
        .with_presence(PresenceSpec::prefixes(["room:", "private:", "denied:"]))
        .with_presence(PresenceSpec::prefixes(["patient:"]).grace(Duration::from_secs(6)))
        .with_presence(PresenceSpec::prefixes(["crowd:"]).grace(Duration::from_secs(600)))
        .identity_resolver(async |parts: Parts| user_of(&parts.headers))
        .group_policy_fn(|user: Option<&str>, group: &str| {
            !group.starts_with("denied:") && (user.is_some() || !group.starts_with("private:"))
        })
        .message_handler(Relay)
        .build()
}

fn router(realtime: &Realtime) -> Router {
    let health = async |State(realtime): State<Realtime>| Json(realtime.health());
    Router::new()
        .merge(pages::router())
        .route("/health", get(health))
        .route("/members", post(members))
        .route("/send", post(send))
        .route("/disconnect", post(disconnect))
        .route("/drain", post(drain))
        .route("/crowd", post(crowd::come))
        .with_state(realtime.clone())
        .merge(realtime.router())
}

/// The value of the cookie `user`; an empty one is nobody.
/// By a token, which is the user's name unless it begins with `old-`, or by a cookie.
fn user_of(headers: &HeaderMap) -> Option<String> {
    if let Some(header) = headers.get(header::AUTHORIZATION) {
        let token = header.to_str().ok()?.strip_prefix("Bearer ")?;
        return (!token.starts_with("old-")).then(|| token.to_owned());
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';'));
    let user = pairs.find_map(|pair| pair.trim().strip_prefix("user="))?;
    (!user.is_empty()).then(|| user.to_owned())
}

/// Passes `{"group", "event", "data"}` on to the group.
struct Relay;

#[derive(Deserialize)]
struct Message {
    group: String,
    event: String,
    data: Value,
}

impl MessageHandler for Relay {
    async fn on_message(&self, context: &MessageContext, text: &str) {
        if let Ok(Message { group, event, data }) = serde_json::from_str(text) {
            // Who may not send there is not heard, which is what a test looks for.
            let _ = context.publish(group, &event, &data).await;
        }
    }
}

/// To one user, or one group, or everybody.
#[derive(Deserialize)]
struct Letter {
    user: Option<String>,
    group: Option<String>,
    event: String,
    data: Value,
}

async fn send(
    State(realtime): State<Realtime>,
    Json(letter): Json<Letter>,
) -> Result<StatusCode, (StatusCode, String)> {
    let target = match (letter.user, letter.group) {
        (Some(user), _) => realtime.to_user(user),
        (None, Some(group)) => realtime.to_group(group),
        (None, None) => realtime.broadcast(),
    };
    let sent = target.send(&letter.event, &letter.data).await;
    sent.map(|()| StatusCode::NO_CONTENT).map_err(|e| (StatusCode::BAD_REQUEST, e.to_string()))
}

#[derive(Deserialize)]
struct Group {
    group: String,
}

/// Who is in a group, as the server sees it.
async fn members(
    State(realtime): State<Realtime>,
    Json(Group { group }): Json<Group>,
) -> Result<Json<Value>, (StatusCode, String)> {
    match realtime.presence().members(group).await {
        Ok(members) => Ok(Json(json!(members))),
        Err(error) => Err((StatusCode::BAD_REQUEST, error.to_string())),
    }
}

#[derive(Deserialize)]
struct User {
    user: String,
}

async fn disconnect(State(realtime): State<Realtime>, Json(who): Json<User>) -> StatusCode {
    realtime.disconnect_user(who.user).await.expect("no other node");
    StatusCode::NO_CONTENT
}

/// Ends only when everybody has gone, or has been sent away.
async fn drain(State(realtime): State<Realtime>) -> StatusCode {
    realtime.drain().await;
    StatusCode::NO_CONTENT
}
