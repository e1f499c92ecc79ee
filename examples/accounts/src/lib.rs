//! Documents that show who has them open, for people who sign in with a password.
//!
//! | file | what it shows |
//! |---|---|
//! | `identity` | who a request is from: a session's cookie, or a token. It is asked again and again |
//! | `documents` | presence of a document, names from the database, and a policy that may have no answer |
//! | `sign_in` | signing in, signing out on this device and everywhere, a token for other clients |
//! | `sharing` | a member who is removed is out at once |
//! | `users`, `tokens`, `database` | passwords and axum-login, JSON Web Tokens, queries |
//! | `issuer` | tokens of a server where people sign in for several applications (`OpenID` Connect) |
//!
//! The program is `cargo run -p accounts`.

mod database;
mod documents;
mod identity;
mod issuer;
mod page;
mod refusal;
mod sharing;
mod sign_in;
mod tokens;
mod users;

use std::{
    error::Error,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    middleware::map_response,
    routing::{delete, get, post, put},
};
use axum_login::{
    AuthManagerLayerBuilder,
    tower_sessions::{
        ExpiredDeletion, Expiry, SessionManagerLayer,
        cookie::{SameSite, time},
    },
};
use http::request::Parts;
use tokio::{task::spawn_blocking, time::interval};
use tower_sessions_sqlx_store::SqliteStore;
use umbral_presence::{Realtime, RealtimePlugin};

use crate::{
    database::Database,
    documents::Membership,
    identity::{Identities, SESSION_COOKIE, SIGN_IN},
    issuer::Issuer,
    tokens::Tokens,
};

/// The password of everybody whom the example begins with.
pub const PASSWORD: &str = "sesame";

/// How the example is run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the database's file is, `accounts.db`. Without it everything is in memory.
    pub folder: Option<PathBuf>,
    /// How often it is asked again who is connected, and which documents they may open. It bounds for
    /// how long somebody stays connected of whom the database alone knows that the session has ended.
    pub recheck_every: Duration,
    /// For how long a token is valid, in whole seconds.
    pub token_life: Duration,
    /// Whose tokens are good here too.
    pub issuer: Option<OpenId>,
}

/// A server where people sign in for several applications.
#[derive(Clone, Debug)]
pub struct OpenId {
    /// Its address, as it stands in `iss` of its tokens. The example has no TLS: for `https` give
    /// `reqwest` the feature `rustls`.
    pub issuer: String,
    /// The name that it knows this application by, as it stands in `aud`.
    pub audience: String,
}

impl Default for Settings {
    fn default() -> Self {
        let (recheck_every, token_life) = (Duration::from_secs(30), Duration::from_secs(600));
        Self { folder: None, recheck_every, token_life, issuer: None }
    }
}

/// The application.
#[derive(Debug)]
pub struct Accounts {
    /// The page, the routes of the application and those of the library.
    pub router: Router,
    /// Who is present.
    pub realtime: Realtime,
}

/// What the handlers share.
#[derive(Clone)]
struct App {
    database: Database,
    tokens: Arc<Tokens>,
    realtime: Realtime,
}

impl Accounts {
    /// Opens the database, which is filled if it is new, and builds the rest.
    ///
    /// # Errors
    ///
    /// If the database cannot be used.
    pub async fn open(settings: Settings) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let folder = settings.folder.as_deref();
        let closed = |error| {
            let place = folder.unwrap_or(Path::new("memory")).display();
            format!(
                "the database in {place} cannot be opened: {error}; `folder` must exist and be writable"
            )
        };
        let database = Database::open(folder).await.map_err(closed)?;
        let password = spawn_blocking(|| password_auth::generate_hash(PASSWORD)).await?;
        database.seed(&password).await?;
        let sessions = SqliteStore::new(database.pool().clone());
        sessions.migrate().await?;
        tokio::spawn(clear_away(sessions.clone()));
        let tokens = Arc::new(Tokens::new(settings.token_life)?);

        let identities = Identities {
            database: database.clone(),
            sessions: sessions.clone(),
            tokens: tokens.clone(),
            issuer: settings.issuer.map(Issuer::new).transpose()?.map(Arc::new),
        };
        let realtime = RealtimePlugin::new()
            .with_state(database.clone())
            .identity_resolver(move |parts: Parts| {
                let identities = identities.clone();
                async move { identities.of(&parts.headers).await }
            })
            .group_policy(Membership(database.clone()))
            .recheck_every(settings.recheck_every)
            .build()?;
        let app = App { database, tokens, realtime: realtime.clone() };
        Ok(Self { router: router(app, sessions), realtime })
    }
}

/// Removes the sessions that have run out, which are void already.
async fn clear_away(sessions: SqliteStore) {
    let mut hours = interval(Duration::from_secs(60 * 60));
    loop {
        hours.tick().await;
        if let Err(error) = sessions.delete_expired().await {
            tracing::warn!("sessions that have run out are cleared away in an hour: {error}");
        }
    }
}

/// A form on a page of another site can do nothing here: the session's cookie does not come with it
/// (`SameSite=Lax`), and it cannot send JSON.
fn router(app: App, sessions: SqliteStore) -> Router {
    let cookies = SessionManagerLayer::new(sessions)
        .with_name(SESSION_COOKIE)
        .with_same_site(SameSite::Lax)
        // The example serves plain HTTP. Behind TLS this line must go.
        .with_secure(false)
        .with_expiry(Expiry::OnInactivity(time::Duration::days(7)));
    let sign_ins = AuthManagerLayerBuilder::new(app.database.clone(), cookies);
    let realtime = app.realtime.router();
    Router::new()
        .route("/session", get(sign_in::who_am_i).post(sign_in::sign_in).delete(sign_in::sign_out))
        .route("/sessions", delete(sign_in::sign_out_everywhere))
        .route("/token", post(sign_in::token))
        .route("/documents", get(sharing::list))
        .route(
            "/documents/{document}/members/{member}",
            put(sharing::add_member).delete(sharing::remove_member),
        )
        .with_state(app)
        .layer(sign_ins.with_data_key(SIGN_IN).build())
        // These are not within the layer, which would answer `500` for a database that is away. The
        // identity resolver reads the session itself.
        .merge(realtime)
        .merge(page::router())
        .layer(map_response(page::harden))
}
