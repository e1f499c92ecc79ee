//! Who a request is from: the session of a browser, or the token of another client.
//!
//! The library asks this again and again while a stream is open. So it asks the database each time, and
//! not the session that a layer has loaded into the request when the stream opened.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use axum_login::tower_sessions::{SessionStore, session::Id, session_store};
use http::{
    HeaderMap,
    header::{AUTHORIZATION, COOKIE},
};
use serde::Deserialize;
use tower_sessions_sqlx_store::SqliteStore;
use umbral_presence::Identity;

use crate::{database::Database, issuer::Issuer, tokens::Tokens};

/// The cookie of a browser's session.
pub(crate) const SESSION_COOKIE: &str = "session";

/// Where axum-login keeps what follows in a session.
pub(crate) const SIGN_IN: &str = "sign-in";

/// What axum-login keeps in a session.
#[derive(Deserialize)]
struct SignIn {
    user_id: Option<i64>,
    auth_hash: Option<Vec<u8>>,
}

/// Why it is not known who a request is from. The library answers `503` then, and whoever is connected
/// stays.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unknown {
    #[error("the sessions cannot be read")]
    Sessions(#[from] session_store::Error),
    #[error("the users cannot be read")]
    Users(#[from] sqlx::Error),
    #[error("the issuer's keys cannot be read")]
    Keys(#[from] reqwest::Error),
}

/// Finds out who a request is from.
#[derive(Clone)]
pub(crate) struct Identities {
    pub(crate) database: Database,
    pub(crate) sessions: SqliteStore,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) issuer: Option<Arc<Issuer>>,
}

impl Identities {
    /// The user of a request, or `None` for somebody who is not signed in.
    pub(crate) async fn of(&self, headers: &HeaderMap) -> Result<Option<Identity>, Unknown> {
        let Some(token) = bearer(headers) else {
            return self.of_session(headers).await;
        };
        match (self.of_token(token).await?, &self.issuer) {
            (None, Some(issuer)) => self.of_issued(issuer, token).await,
            (identity, _) => Ok(identity),
        }
    }

    // guide: session
    async fn of_session(&self, headers: &HeaderMap) -> Result<Option<Identity>, Unknown> {
        let Some(id) = cookie(headers, SESSION_COOKIE).and_then(|id| id.parse::<Id>().ok()) else {
            return Ok(None);
        };
        let Some(session) = self.sessions.load(&id).await? else {
            return Ok(None);
        };
        let sign_in = session.data.get(SIGN_IN).and_then(|value| SignIn::deserialize(value).ok());
        let Some(SignIn { user_id: Some(user), auth_hash }) = sign_in else {
            return Ok(None);
        };
        let user = self.database.user(user).await?;
        let user = user.filter(|user| auth_hash.as_deref() == Some(user.stamp.as_bytes()));
        let end = session.expiry_date.into();
        Ok(user.map(|user| Identity::new(user.id).session(id.to_string()).until(end)))
    }
    // guide: end

    async fn of_token(&self, token: &str) -> Result<Option<Identity>, Unknown> {
        let Some(claims) = self.tokens.check(token) else {
            return Ok(None);
        };
        let Ok(user) = claims.sub.parse() else {
            return Ok(None);
        };
        let user = self.database.user(user).await?.filter(|user| user.stamp == claims.stamp);
        Ok(user.map(|user| until(Identity::new(user.id), claims.exp)))
    }

    /// The issuer knows people by the handles that they have here. An application may as well keep the
    /// issuer's `sub` beside each user. A sign-out everywhere does not void these tokens, so the issuer
    /// should give them a short life.
    async fn of_issued(&self, issuer: &Issuer, token: &str) -> Result<Option<Identity>, Unknown> {
        let Some(claims) = issuer.check(token).await? else {
            return Ok(None);
        };
        let user = self.database.user_by_handle(&claims.sub).await?;
        Ok(user.map(|user| until(Identity::new(user.id), claims.exp)))
    }
}

/// An end that no clock can say is none.
fn until(identity: Identity, exp: u64) -> Identity {
    match UNIX_EPOCH.checked_add(Duration::from_secs(exp)) {
        Some(end) => identity.until(end),
        None => identity,
    }
}

/// The value of a cookie.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        all.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The token of a client that is no browser.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}
