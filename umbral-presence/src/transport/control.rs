//! `POST {base}/control`: changes the groups of a live event stream, and shows that its
//! client is there.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{FromRequest, Request, State, rejection::JsonRejection},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{
    admission::{MOST_QUESTIONS, check_origin, group_names, identify, sort_out},
    refusal::Refusal,
};
use crate::{
    connection::Token,
    group::GroupName,
    hub::{Replaced, Unchanged, now},
    outbox::End,
    realtime::App,
};

/// The full set of groups, so that the call can be repeated; `n` grows, so that a late one
/// does not undo a newer one.
#[derive(Debug, Deserialize)]
struct Wanted {
    conn: String,
    n: u64,
    groups: Vec<String>,
    /// Those of them whose snapshot is wanted once more.
    #[serde(default)]
    sync: Vec<String>,
}

/// How long the body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// What has come of it. `n` is the newest call's, which may be a later one.
#[derive(Debug, Serialize)]
pub(super) struct Changed {
    n: u64,
    joined: Vec<GroupName>,
    left: Vec<GroupName>,
    denied: Vec<GroupName>,
}

pub(super) async fn replace(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Json<Changed>, Refusal> {
    let (parts, body) = request.into_parts();
    check_origin(&app, &parts)?;
    let request = Request::from_parts(parts.clone(), body);
    let Json(wanted) = timeout(BODY_WITHIN, Json::<Wanted>::from_request(request, &()))
        .await
        .map_err(|_| late())?
        .map_err(|rejection| unreadable(&rejection))?;
    let groups = group_names(&app, wanted.groups.iter().map(String::as_str))?;
    let sync = group_names(&app, wanted.sync.iter().map(String::as_str))?;

    let token: Option<Token> = wanted.conn.parse().ok();
    let connection = token.and_then(|t| app.hub.by_token(t)).ok_or_else(unknown)?;
    if !connection.admits_call(now()) {
        return Err(Refusal::too_fast(app.hub.limits.control_per_second));
    }
    // Before it is asked who calls: where that gets no answer the client is there all the same.
    connection.prove_life(now());
    let user = identify(&app, &parts).await?;
    if user != connection.user {
        app.hub.expel(&connection, End::IdentityChanged);
        let message = "the stream was opened by somebody else; it has been ended";
        return Err(Refusal::new(StatusCode::CONFLICT, "identity_changed", message));
    }

    for _ in 0..MOST_QUESTIONS {
        // The policy has allowed those that the connection is in.
        let asked = app.hub.revocations.now();
        let (held, new) = groups.iter().cloned().partition(|group| connection.is_in(group));
        let (allowed, denied) = sort_out(&app, user.as_ref(), new).await?;
        match app.hub.replace(&connection, wanted.n, &held, &allowed, asked) {
            Ok(Replaced { number: n, joined, left }) => {
                app.hub.resync(&connection, &sync);
                return Ok(Json(Changed { n, joined, left, denied }));
            }
            Err(Unchanged::Outdated) => {}
            Err(Unchanged::Ended) => return Err(unknown()),
        }
    }
    Err(Refusal::revoked())
}

fn unknown() -> Refusal {
    let message = "no open stream has this token; open a new one";
    Refusal::new(StatusCode::NOT_FOUND, "unknown_connection", message)
}

fn late() -> Refusal {
    let message = format!("the body did not arrive within {BODY_WITHIN:?}");
    Refusal::new(StatusCode::REQUEST_TIMEOUT, "too_slow", message)
}

fn unreadable(rejection: &JsonRejection) -> Refusal {
    let code = match rejection.status() {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "not_json",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        _ => "bad_json",
    };
    // A value of the wrong type is a bad request like any other.
    let status = match rejection.status() {
        StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
        status => status,
    };
    Refusal::new(status, code, rejection.body_text())
}
