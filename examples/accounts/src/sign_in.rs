//! Signing in and out.

use axum::{Json, extract::State};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    App,
    refusal::Refusal,
    users::{AuthSession, Credentials, User},
};

pub(crate) async fn who_am_i(auth: AuthSession) -> Json<Option<User>> {
    Json(auth.user)
}

pub(crate) async fn sign_in(
    State(app): State<App>,
    mut auth: AuthSession,
    Json(credentials): Json<Credentials>,
) -> Result<Json<User>, Refusal> {
    let user = auth.authenticate(credentials).await?.ok_or(Refusal::Credentials)?;
    // The streams of somebody who was signed in here before end.
    end_session(&app, &mut auth).await?;
    // Without this the new session would have the name of the old one.
    auth.session.cycle_id().await.map_err(axum_login::Error::from)?;
    auth.login(&user).await?;
    Ok(Json(user))
}

pub(crate) async fn sign_out(
    State(app): State<App>,
    mut auth: AuthSession,
) -> Result<StatusCode, Refusal> {
    end_session(&app, &mut auth).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn sign_out_everywhere(
    State(app): State<App>,
    mut auth: AuthSession,
) -> Result<StatusCode, Refusal> {
    let user = auth.user.clone().ok_or(Refusal::SignedOut)?;
    app.database.restamp(user.id).await?;
    warn(app.realtime.disconnect_user(user.id).await);
    auth.logout().await?;
    Ok(StatusCode::NO_CONTENT)
}

// guide: sign-out
/// The session ends first, so that a page that reconnects at once is nobody's.
async fn end_session(app: &App, auth: &mut AuthSession) -> Result<(), Refusal> {
    if let Some(session) = auth.session.id() {
        auth.logout().await?;
        warn(app.realtime.end_session(&session.to_string()).await);
    }
    Ok(())
}
// guide: end

/// With several nodes, one that cannot be reached does its part as soon as it is back.
pub(crate) fn warn(done: Result<(), umbral_presence::RevokeError>) {
    if let Err(error) = done {
        tracing::warn!("{error}");
    }
}

/// A token for a client that is no browser.
pub(crate) async fn token(
    State(app): State<App>,
    auth: AuthSession,
    Json(credentials): Json<Credentials>,
) -> Result<Json<Value>, Refusal> {
    let user = auth.authenticate(credentials).await?.ok_or(Refusal::Credentials)?;
    let token = app.tokens.issue(&user)?;
    Ok(Json(json!({ "token": token, "expires_in": app.tokens.life.as_secs() })))
}
