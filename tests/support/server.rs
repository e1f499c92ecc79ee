//! A real server on loopback.

use std::{net::SocketAddr, time::Duration};

use axum::Router;
use http::{Method, request::Parts};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};
use umbral_presence::{Presence, PresenceSpec, Realtime, RealtimePlugin};

use crate::wait::{eventually, settled};

/// The tests' session layer: who says so is signed in.
pub const USER_HEADER: &str = "x-user";

/// What whoever wants an event stream says.
pub const EVENT_STREAM: (&str, &str) = ("accept", "text/event-stream");

/// A server that stops when it is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it serves.
    pub realtime: Realtime,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves a plugin.
    ///
    /// # Panics
    ///
    /// Where the plugin cannot be built or loopback is not there.
    pub async fn start(plugin: RealtimePlugin) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        Self::start_on(listener, plugin)
    }

    /// Serves a plugin to those who connect to `listener`.
    ///
    /// # Panics
    ///
    /// Where the plugin cannot be built.
    pub fn start_on(listener: TcpListener, plugin: RealtimePlugin) -> Self {
        let realtime = plugin.build().expect("a plugin that can be built");
        Self::serve(listener, realtime.router(), realtime)
    }

    /// Serves a whole application, of which `realtime` is a part.
    ///
    /// # Panics
    ///
    /// Where the listener has no address.
    pub fn serve(listener: TcpListener, router: Router, realtime: Realtime) -> Self {
        let address = listener.local_addr().expect("an address");
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("serving does not end");
        });
        Self { address, realtime, task }
    }

    /// What most tests need: presence for `room:*` and `public:lobby` with a grace of
    /// `grace`, users by header, and everybody may join but `room:private*`, which is for
    /// those whose id starts with `insider`.
    pub async fn with_rooms(grace: Duration) -> Self {
        let specs = PresenceSpec::prefixes(["room:", "public:lobby"]).grace(grace);
        Self::start(Self::plugin().with_presence(specs)).await
    }

    /// Users by header, everybody may join but `room:private*`, which is for those whose id
    /// starts with `insider`; no presence.
    pub fn plugin() -> RealtimePlugin {
        RealtimePlugin::new()
            .without_declared()
            .identity_resolver(|parts: Parts| async move {
                let id = parts.headers.get(USER_HEADER)?;
                id.to_str().ok().map(str::to_owned)
            })
            .group_policy_fn(|user, group| {
                let inside = user.is_some_and(|user| user.starts_with("insider"));
                inside || !group.starts_with("room:private")
            })
    }

    /// The same, with presence for `room:*`.
    pub fn rooms() -> RealtimePlugin {
        Self::plugin().with_presence(PresenceSpec::prefixes(["room:"]))
    }

    /// Who is present.
    pub fn presence(&self) -> Presence {
        self.realtime.presence()
    }

    /// `http://127.0.0.1:port{path}`
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends a message to a group that stands behind everything that was sent before; gives its text.
    ///
    /// # Panics
    ///
    /// Where this is no name of a group.
    pub async fn mark(&self, group: &str) -> String {
        // A watcher begins with the members of now, for which the tick is ended early.
        drop(self.presence().watch(group).expect("a valid group"));
        let mark = uuid::Uuid::new_v4().to_string();
        self.realtime.to_group(group).send("mark", &mark).await.expect("a valid group");
        mark
    }

    /// How many are present in a group.
    ///
    /// # Panics
    ///
    /// Where that is no name of a group.
    pub async fn count(&self, group: &str) -> usize {
        self.presence().count(group).await.expect("a valid name")
    }

    /// A request that wants an event stream unless its headers say otherwise, and the status
    /// and the JSON that it is answered with.
    ///
    /// # Panics
    ///
    /// Where there is no answer.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, Value) {
        let mut request = reqwest::Client::new().request(method, self.url(path));
        if !headers.iter().any(|(name, _)| *name == "accept") {
            request = request.header(EVENT_STREAM.0, EVENT_STREAM.1);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = settled("an answer", request.body(body.to_owned()).send()).await;
        let response = response.expect("a server");
        let status = response.status().as_u16();
        let kind = response.headers().get("content-type").cloned();
        // A stream does not end.
        let is_json = kind.is_some_and(|kind| kind == "application/json");
        (status, if is_json { response.json().await.unwrap_or_default() } else { Value::Null })
    }

    /// A `control` call over a socket: its status and its answer.
    ///
    /// # Panics
    ///
    /// Where there is no answer.
    pub async fn control(&self, user: &str, body: &Value) -> (u16, Value) {
        let headers = [("content-type", "application/json"), (USER_HEADER, user)];
        self.ask(Method::POST, "/realtime/control", &headers, &body.to_string()).await
    }

    /// Waits until so many are connected.
    ///
    /// # Panics
    ///
    /// Where others stay, or do not come.
    pub async fn has_connections(&self, connections: usize) {
        eventually(&format!("{connections} connections"), || async {
            self.realtime.health().connections == connections
        })
        .await;
    }

    /// Waits until nothing is left: no connection, group or user.
    ///
    /// # Panics
    ///
    /// Where something stays.
    pub async fn is_empty(&self) {
        eventually("nothing is left behind", || async {
            let health = self.realtime.health();
            (health.connections, health.groups, health.users) == (0, 0, 0)
        })
        .await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
