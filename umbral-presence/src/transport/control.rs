//! `POST {base}/control`: changes the groups of an open event stream, and proves that its client is
//! alive.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{FromRequest, Request, State, rejection::JsonRejection},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::{
    admission::{check_origin, group_names, kept},
    names::Names,
    refusal::Refusal,
    site::Site,
};
use crate::{
    access::{Asker, Unfit},
    clock::now,
    connection::End,
    hub::{Replaced, Unchanged},
    name::{GroupName, Token},
};

/// The body of a call. `groups` is the full set, so that a call can be repeated. `n` grows, so that a
/// late call does not undo a newer one. Other keys are ignored, because a newer client may send more.
#[derive(Debug, Deserialize)]
struct Wanted {
    conn: String,
    n: u64,
    /// It is read only after the token has been found to be valid.
    groups: Box<RawValue>,
    /// The groups among them whose snapshot the client wants again.
    sync: Option<Box<RawValue>>,
}

/// The time in which the body must arrive.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// The answer. `n` is the number of the newest call, which may be later than this one.
#[derive(Debug, Serialize)]
pub(super) struct Changed {
    n: u64,
    joined: Vec<GroupName>,
    /// The groups of `joined` that have no presence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    no_presence: Vec<GroupName>,
    left: Vec<GroupName>,
    denied: Vec<GroupName>,
}

pub(super) async fn replace(
    State(site): State<Arc<Site>>,
    request: Request,
) -> Result<Json<Changed>, Refusal> {
    let (parts, body) = request.into_parts();
    check_origin(&site, &parts)?;
    let request = Request::from_parts(parts.clone(), body);
    let Json(wanted) = timeout(BODY_WITHIN, Json::<Wanted>::from_request(request, &()))
        .await
        .map_err(|_| late())?
        .map_err(|rejection| unreadable(&rejection))?;

    let hub = &site.door.hub;
    let token: Option<Token> = wanted.conn.parse().ok();
    let connection = token.and_then(|t| hub.by_token(t)).ok_or_else(unknown)?;
    let Some(_call) = connection.begin_call(now()) else {
        let most = hub.limits.control_per_second;
        hub.counters().reached.note("control_per_second", most as usize, connection.user());
        return Err(Refusal::too_fast(most));
    };
    let groups = names(&site, &wanted.groups)?;
    let sync = wanted.sync.map_or(Ok(Vec::new()), |sync| names(&site, &sync))?;
    // The client is alive even if the identity resolver gives no answer.
    connection.liveness.prove(now());
    let kept = kept(&site, &parts)?;
    let head = kept.as_ref().map_or(&parts, |kept| &kept.0);
    if !site.door.is_of(&connection, head).await? {
        hub.expel(&connection, End::IdentityChanged);
        let message = "the stream was opened by somebody else; it has been ended";
        return Err(Refusal::new(StatusCode::CONFLICT, "identity_changed", message));
    }
    let replaced = site.door.admit(Asker::Member(&connection), &groups, |_, verdict| {
        hub.replace(&connection, wanted.n, verdict).map_err(|unchanged| match unchanged {
            Unchanged::Outdated => Unfit::Outdated,
            Unchanged::Ended => Unfit::Refused(unknown()),
        })
    });
    let Replaced { number: n, joined, no_presence, left, denied } = replaced.await?;
    hub.resync(&connection, &sync);
    Ok(Json(Changed { n, joined, no_presence, left, denied }))
}

fn names(site: &Site, list: &RawValue) -> Result<Vec<GroupName>, Refusal> {
    let most = site.door.hub.limits.groups_per_connection;
    let names = Names::read(list, most)
        .map_err(|error| Refusal::bad_request("bad_json", error.to_string()))?;
    group_names(site, names.iter().map(|name| &**name))
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
    // axum answers `422` for a value of the wrong type. It is a bad request like any other here.
    let status = match rejection.status() {
        StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
        status => status,
    };
    Refusal::new(status, code, rejection.body_text())
}
