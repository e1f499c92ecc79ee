//! A lobby with rooms: choose a name, go into rooms, see who else is there, and talk.
//!
//! `cargo run -p lobby` serves it on <http://127.0.0.1:3000>. `--port 3001` takes another port, and
//! 0 takes any free one. With `--redis redis://127.0.0.1:6379` several processes serve the same
//! lobby. The variable `STAFF_KEY` sets the key to the private room. `/metrics` is for Prometheus.

mod arguments;
mod metrics;
mod page;
mod rooms;
mod store;
mod visitors;

use std::{env, error::Error, io::Write as _, process::ExitCode, sync::Arc};

use axum::{
    Json, Router,
    extract::{FromRef, Path, State},
    middleware::map_response,
    routing::{get, post},
};
use axum_extra::extract::{SignedCookieJar, cookie::Key};
use http::{StatusCode, request::Parts};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use umbral_presence::{Realtime, RealtimePlugin, RedisStore, SendError};

use crate::{
    arguments::Arguments,
    rooms::{House, Lobby, Room},
    store::{Memory, Store, until_answered},
    visitors::Visitor,
};

/// What the handlers share.
#[derive(Clone)]
struct App {
    key: Key,
    house: Arc<House>,
    realtime: Realtime,
    prometheus: PrometheusHandle,
}

impl FromRef<App> for Key {
    fn from_ref(app: &App) -> Self {
        app.key.clone()
    }
}

/// A status, and a sentence that the page shows.
type Refusal = (StatusCode, &'static str);

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let Arguments { port, redis } = Arguments::read(env::args().skip(1))?;
    let prometheus = metrics::install()?;
    let staff_key = env::var("STAFF_KEY").unwrap_or_else(|_| "sesame".to_owned());

    let (store, key) = match &redis {
        Some(url) => Store::redis(url).await?,
        // The key is new at every start. A restart forgets all names, so it may sign everybody out.
        None => (Store::Memory(Memory::default()), Key::generate()),
    };
    let house = Arc::new(House { store, staff_key: staff_key.clone() });
    let plugin = plugin(&house, &key);
    let realtime = match redis {
        Some(url) => plugin.redis(RedisStore::at(url).prefix("lobby")),
        None => plugin,
    }
    .build()?;
    let app = App { key, house, realtime: realtime.clone(), prometheus };

    let taken =
        |error| format!("the port {port} cannot be used: {error}; --port takes another one");
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(taken)?;
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
fn plugin(house: &Arc<House>, key: &Key) -> RealtimePlugin {
    let (house, store, key) = (house.clone(), house.store.clone(), key.clone());
    RealtimePlugin::new()
        .with_state(store.clone())
        .identity_resolver(move |parts: Parts| {
            let jar = SignedCookieJar::from_headers(&parts.headers, key.clone());
            let store = store.clone();
            async move { Some(until_answered(|| Visitor::of(&store, &jar)).await?.id) }
        })
        .group_policy_async_fn(move |user, group| {
            let house = house.clone();
            async move { until_answered(|| house.may_join(user.as_deref(), &group)).await }
        })
}

/// All bodies are JSON, because a form on a page of another origin cannot send JSON.
fn router(app: App) -> Router {
    let realtime = app.realtime.router();
    let health = async |State(app): State<App>| {
        let health = app.realtime.health();
        let status =
            if health.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, Json(health))
    };
    Router::new()
        .merge(page::router())
        .route("/session", get(who_am_i).post(sign_in).delete(sign_out))
        .route("/rooms", get(list_rooms).post(create_room))
        .route("/rooms/{name}/key", post(unlock))
        .route("/rooms/{name}/messages", post(say))
        .route("/health", get(health))
        .route("/metrics", get(metrics::read))
        .with_state(app)
        .merge(realtime)
        .layer(map_response(page::harden))
}

/// The body that every form of the page sends.
#[derive(Deserialize)]
struct Line {
    text: String,
}

/// The page shows nothing before it knows this, so it waits for the store.
async fn who_am_i(State(app): State<App>, jar: SignedCookieJar) -> Json<Option<Visitor>> {
    Json(until_answered(|| Visitor::of(&app.house.store, &jar)).await)
}

async fn sign_in(
    State(app): State<App>,
    jar: SignedCookieJar,
    Json(Line { text }): Json<Line>,
) -> Result<(SignedCookieJar, Json<Visitor>), Refusal> {
    let visitor = Visitor::arrive(&app.house.store, &text).await?;
    say_goodbye(&app, &jar).await?;
    Ok((jar.add(visitors::cookie(&visitor.id)), Json(visitor)))
}

async fn sign_out(
    State(app): State<App>,
    jar: SignedCookieJar,
) -> Result<(SignedCookieJar, StatusCode), Refusal> {
    say_goodbye(&app, &jar).await?;
    Ok((jar.remove(visitors::cookie("")), StatusCode::NO_CONTENT))
}

/// The cookie's visitor leaves every room at once, in all tabs and on all nodes.
async fn say_goodbye(app: &App, jar: &SignedCookieJar) -> Result<(), Refusal> {
    if let Some(visitor) = Visitor::of(&app.house.store, jar).await? {
        // The visitor is forgotten first, so that a tab that reconnects at once is anonymous.
        app.house.store.forget(&visitor.id).await?;
        if let Err(error) = app.realtime.disconnect_user(&visitor.id).await {
            tracing::warn!("{error}");
        }
    }
    Ok(())
}

async fn list_rooms(State(app): State<App>) -> Result<Json<Vec<Value>>, Refusal> {
    Ok(Json(app.house.list().await?))
}

async fn create_room(
    State(app): State<App>,
    _: Visitor,
    Json(Line { text }): Json<Line>,
) -> Result<Json<String>, Refusal> {
    let name = app.house.create(&text).await?;
    // Every open page is in the lobby, so every page gets the new list.
    let rooms = app.house.list().await?;
    app.realtime.to_group(Lobby).send("rooms", &rooms).await.map_err(unsent)?;
    Ok(Json(name))
}

async fn unlock(
    State(app): State<App>,
    visitor: Visitor,
    Path(room): Path<String>,
    Json(Line { text }): Json<Line>,
) -> Result<StatusCode, Refusal> {
    app.house.unlock(&visitor, &room, &text).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn say(
    State(app): State<App>,
    visitor: Visitor,
    Path(room): Path<String>,
    Json(Line { text }): Json<Line>,
) -> Result<StatusCode, Refusal> {
    let text = text_of(&text, 500, "A message has 1 to 500 characters.")?;
    if !app.house.may_enter(&visitor.id, &room).await? {
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
