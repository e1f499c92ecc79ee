//! The example on loopback, with a database in a file that a test reads and changes beside it.

use std::{path::PathBuf, time::Duration};

use accounts::{Accounts, PASSWORD, Settings};
use http::{Method, header::SET_COOKIE};
use serde_json::{Value, json};
use sqlx::{SqlitePool, sqlite::SqlitePoolOptions};
use tests::{Client, Frame, Kind, Server, settled};
use tokio::net::TcpListener;
use uuid::Uuid;

/// The document that all four people may open. Ada, whose id is 1, is its owner.
pub(crate) const NOTES: &str = "doc:1";

/// So often everybody is asked about again.
pub(crate) const OFTEN: Duration = Duration::from_millis(100);

/// For tests in which nobody is asked about again, so that nothing but a call can end a stream.
pub(crate) const HARDLY_EVER: Duration = Duration::from_secs(10_000_000);

/// The example.
pub(crate) struct House {
    pub(crate) server: Server,
    /// The same database, by another connection.
    pub(crate) database: SqlitePool,
    folder: PathBuf,
}

impl House {
    pub(crate) async fn open(recheck_every: Duration) -> Self {
        Self::open_with(Settings { recheck_every, ..Settings::default() }).await
    }

    pub(crate) async fn open_with(settings: Settings) -> Self {
        let folder = std::env::temp_dir().join(format!("accounts-{}", Uuid::new_v4()));
        std::fs::create_dir(&folder).expect("a folder for temporary files");
        Self::open_in(folder, settings).await
    }

    /// Opens the example once more, with the same database.
    pub(crate) async fn again(mut self) -> Self {
        Self::open_in(std::mem::take(&mut self.folder), Settings::default()).await
    }

    async fn open_in(folder: PathBuf, settings: Settings) -> Self {
        let settings = Settings { folder: Some(folder.clone()), ..settings };
        let Accounts { router, realtime } = Accounts::open(settings).await.expect("a database");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let file = format!("sqlite:{}", folder.join("accounts.db").display());
        // A second one might not have seen yet how the first one has renamed a table.
        let database = SqlitePoolOptions::new().max_connections(1).connect(&file).await;
        let database = database.expect("the database's file");
        Self { server: Server::serve(listener, router, realtime), database, folder }
    }

    /// Asks the application as a browser. Gives the status and the answer, and the session's cookie if
    /// there is a new one.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        cookie: &str,
        body: Value,
    ) -> (u16, Value, Option<String>) {
        self.ask_with(method, path, ("cookie", cookie), body).await
    }

    /// The same with another header.
    pub(crate) async fn ask_with(
        &self,
        method: Method,
        path: &str,
        (name, value): (&str, &str),
        body: Value,
    ) -> (u16, Value, Option<String>) {
        let url = format!("http://{}{path}", self.server.address);
        let request = reqwest::Client::new().request(method, url).header(name, value);
        settled("an answer", async {
            let response = request.json(&body).send().await.expect("a server");
            let status = response.status().as_u16();
            let cookie = response.headers().get(SET_COOKIE).map(|value| {
                let cookie = value.to_str().expect("a cookie").split(';').next();
                cookie.expect("what stands before the attributes").to_owned()
            });
            let body = response.bytes().await.expect("a body");
            (status, serde_json::from_slice(&body).unwrap_or_default(), cookie)
        })
        .await
    }

    /// Signs somebody in on one more device. Gives the cookie.
    pub(crate) async fn sign_in(&self, handle: &str) -> String {
        let body = json!({ "handle": handle, "password": PASSWORD });
        let (status, _, cookie) = self.ask(Method::POST, "/session", "", body).await;
        assert_eq!(status, 200);
        cookie.expect("a session")
    }

    /// A token for a client that is no browser.
    pub(crate) async fn token(&self, handle: &str) -> String {
        let body = json!({ "handle": handle, "password": PASSWORD });
        let (status, body, _) = self.ask(Method::POST, "/token", "", body).await;
        assert_eq!(status, 200);
        body["token"].as_str().expect("a token").to_owned()
    }

    /// Whether the application knows whose a cookie is.
    pub(crate) async fn knows(&self, cookie: &str) -> bool {
        let (status, user, _) = self.ask(Method::GET, "/session", cookie, Value::Null).await;
        assert_eq!(status, 200);
        !user.is_null()
    }

    /// Opens the notes in a browser.
    pub(crate) async fn open_notes(&self, kind: Kind, cookie: &str) -> Client {
        self.try_open_notes(kind, cookie).await.expect("who may open the document")
    }

    pub(crate) async fn try_open_notes(
        &self,
        kind: Kind,
        cookie: &str,
    ) -> Result<Client, (u16, Value)> {
        Client::with_header(&self.server, kind, ("cookie", cookie), NOTES).await
    }

    /// What a watcher of the notes has been told of who comes and goes, up to now.
    pub(crate) async fn told(&self, watcher: &mut Client) -> Vec<Frame> {
        let frames = watcher.frames_until_now(&self.server, NOTES).await;
        frames.into_iter().filter(Frame::is_presence).collect()
    }

    /// Changes the database beside the application.
    pub(crate) async fn execute(&self, change: &'static str) {
        sqlx::raw_sql(change).execute(&self.database).await.expect("a change that can be made");
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // The system clears up what cannot be removed now.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
