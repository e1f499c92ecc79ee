//! A lobby with rooms: choose a name, go into rooms, see who else is there, and talk.
//!
//! `cargo run -p lobby` serves it on <http://127.0.0.1:3000>. An argument names another port, and
//! 0 takes any free one. The variable `STAFF_KEY` sets the key to the private room.

mod page;
mod rooms;
mod visitors;

use std::{env, error::Error, io::Write as _, sync::Arc};

use axum::{
    Json, Router,
    extract::{FromRef, Path, State},
    middleware::map_response,
    routing::{get, post},
};
use axum_extra::extract::{SignedCookieJar, cookie::Key};
use http::{StatusCode, request::Parts};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use umbral_presence::{BuildError, Realtime, RealtimePlugin, SendError};

use crate::{
    rooms::{House, Lobby, Room},
    visitors::Visitor,
};

/// What the handlers share.
#[derive(Clone)]
struct App {
    key: Key,
    house: Arc<House>,
    realtime: Realtime,
}

impl FromRef<App> for Key {
    fn from_ref(app: &App) -> Self {
        app.key.clone()
    }
}

/// A status, and a sentence that the page shows.
type Refusal = (StatusCode, &'static str);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let port: u16 = env::args().nth(1).map_or(Ok(3000), |port| port.parse())?;
    let staff_key = env::var("STAFF_KEY").unwrap_or_else(|_| "sesame".to_owned());

    let house = Arc::new(House::new(staff_key.clone()));
    // The key is new at every start. A restart forgets all names, so it may sign everybody out.
    let key = Key::generate();
    let realtime = realtime(&house, &key)?;
    let app = App { key, house, realtime: realtime.clone() };

    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    // With port 0 this line is the only place that says the port.
    let place = listener.local_addr()?;
    writeln!(std::io::stdout(), "http://{place}\nThe key to the staff room is {staff_key}.")?;
    let closing = async {
        tokio::signal::ctrl_c().await.ok();
        realtime.drain().await;
    };
    // axum's graceful shutdown would wait for ever for a socket whose reader is stuck.
    tokio::select! {
        served = axum::serve(listener, router(app)) => served?,
        () = closing => {}
    }
    Ok(())
}

/// Presence for every `#[presence]` declaration. The cookie says who a visitor is, and the house
/// says which rooms the visitor may join.
fn realtime(house: &Arc<House>, key: &Key) -> Result<Realtime, BuildError> {
    let (house, key) = (house.clone(), key.clone());
    RealtimePlugin::new()
        .identity_resolver(move |parts: Parts| {
            let jar = SignedCookieJar::from_headers(&parts.headers, key.clone());
            async move { Visitor::of(&jar).map(|visitor| visitor.id) }
        })
        .group_policy_fn(move |user: Option<&str>, group: &str| house.may_join(user, group))
        .build()
}

/// All bodies are JSON, because a form on a page of another origin cannot send JSON.
fn router(app: App) -> Router {
    let realtime = app.realtime.router();
    let who_am_i = async |jar: SignedCookieJar| Json(Visitor::of(&jar));
    let list_rooms = async |State(app): State<App>| Json(app.house.list());
    let health = async |State(app): State<App>| Json(app.realtime.health());
    Router::new()
        .merge(page::router())
        .route("/session", get(who_am_i).post(sign_in).delete(sign_out))
        .route("/rooms", get(list_rooms).post(create_room))
        .route("/rooms/{name}/key", post(unlock))
        .route("/rooms/{name}/messages", post(say))
        .route("/health", get(health))
        .with_state(app)
        .merge(realtime)
        .layer(map_response(page::harden))
}

/// The body that every form of the page sends.
#[derive(Deserialize)]
struct Line {
    text: String,
}

async fn sign_in(
    State(app): State<App>,
    jar: SignedCookieJar,
    Json(Line { text }): Json<Line>,
) -> Result<(SignedCookieJar, Json<Visitor>), Refusal> {
    let visitor = Visitor::arrive(&text)?;
    say_goodbye(&app, &jar);
    Ok((jar.add(visitors::cookie(&visitor.id)), Json(visitor)))
}

async fn sign_out(State(app): State<App>, jar: SignedCookieJar) -> (SignedCookieJar, StatusCode) {
    say_goodbye(&app, &jar);
    (jar.remove(visitors::cookie("")), StatusCode::NO_CONTENT)
}

/// The cookie's visitor leaves every room at once, in all tabs.
fn say_goodbye(app: &App, jar: &SignedCookieJar) {
    if let Some(visitor) = Visitor::of(jar) {
        // The visitor is forgotten first, so that a tab that reconnects at once is anonymous.
        visitor.forget();
        app.realtime.disconnect_user(&visitor.id);
    }
}

async fn create_room(
    State(app): State<App>,
    _: Visitor,
    Json(Line { text }): Json<Line>,
) -> Result<Json<String>, Refusal> {
    let name = app.house.create(&text)?;
    // Every open page is in the lobby, so every page gets the new list.
    app.realtime.to_group(Lobby).send("rooms", &app.house.list()).await.map_err(unsent)?;
    Ok(Json(name))
}

async fn unlock(
    State(app): State<App>,
    visitor: Visitor,
    Path(room): Path<String>,
    Json(Line { text }): Json<Line>,
) -> Result<StatusCode, Refusal> {
    app.house.unlock(&visitor, &room, &text)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn say(
    State(app): State<App>,
    visitor: Visitor,
    Path(room): Path<String>,
    Json(Line { text }): Json<Line>,
) -> Result<StatusCode, Refusal> {
    let text = text_of(&text, 500, "A message has 1 to 500 characters.")?;
    if !app.house.may_enter(&visitor.id, &room) {
        return Err((StatusCode::FORBIDDEN, "You may not speak in this room."));
    }
    let message = json!({ "from": visitor, "text": text });
    app.realtime.to_group(Room(room)).send("chat", &message).await.map_err(unsent)?;
    Ok(StatusCode::NO_CONTENT)
}

fn unsent(_: SendError) -> Refusal {
    (StatusCode::INTERNAL_SERVER_ERROR, "That could not be sent.")
}

/// `text` without the space around it, if it has 1 to `most` characters and no control character.
fn text_of(text: &str, most: usize, rule: &'static str) -> Result<String, Refusal> {
    let text = text.trim();
    let fits = (1..=most).contains(&text.chars().count()) && !text.contains(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err((StatusCode::BAD_REQUEST, rule)) }
}
