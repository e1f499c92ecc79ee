//! `POST {base}/control`: changes the groups of an open event stream, and proves that its client is
//! alive.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{FromRequest, Request, State, rejection::JsonRejection},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header::AUTHORIZATION};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::{
    admission::{check_origin, group_names, kept, query, with_token},
    change::{Call, change, unknown},
    code::Code,
    conn::Conn,
    names::Names,
    refusal::Refusal,
    site::Site,
};
use crate::{access::Whose, hub::Connection, name::GroupName};

/// `?auth=1`
#[derive(Debug, Deserialize)]
struct ControlQuery {
    auth: Option<String>,
}

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

impl Wanted {
    fn read(&self, site: &Site) -> Result<Call, Refusal> {
        let groups = names(site, &self.groups)?;
        let sync = self.sync.as_ref().map_or(Ok(Vec::new()), |sync| names(site, sync))?;
        Ok(Call { number: self.n, groups, sync })
    }
}

pub(super) async fn replace(
    State(site): State<Arc<Site>>,
    request: Request,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    check_origin(&site, &parts)?;
    let ControlQuery { auth } = query(&parts.uri)?;
    let has_token = with_token(auth.as_deref())? && parts.headers.contains_key(AUTHORIZATION);
    let request = Request::from_parts(parts.clone(), body);
    let Json(wanted) = timeout(BODY_WITHIN, Json::<Wanted>::from_request(request, &()))
        .await
        .map_err(|_| late())?
        .map_err(|rejection| unreadable(&rejection))?;

    let conn: Conn = wanted.conn.parse().map_err(|()| unknown())?;
    #[cfg(feature = "redis")]
    if let Some(node) = conn.node.filter(|node| site.door.hub.nodes.process() != Some(*node)) {
        let turn = site.door.hub.turn(site.address.of(&parts))?;
        let call = wanted.read(&site)?;
        let stream = (node, conn.token.to_string());
        return super::nodes::forward(&site, &parts, has_token, stream, call, turn).await;
    }
    let is_of = async |connection: &Arc<Connection>| {
        let kept = kept(&site, &parts)?;
        let head = kept.as_ref().map_or(&parts, |kept| &kept.0);
        match site.door.whose(connection, head).await? {
            // The stream may still be its user's: the token has run out, and the next one has not come.
            Whose::Nobodys if has_token => Err(Refusal::unauthenticated()),
            // An anonymous stream is nobody's, as the token is.
            Whose::Its if has_token && connection.user().is_none() => {
                Err(Refusal::unauthenticated())
            }
            Whose::Its => {
                connection.keep(kept);
                Ok(true)
            }
            Whose::Nobodys | Whose::Anothers => Ok(false),
        }
    };
    let changed = change(&site, Some(conn.token), || wanted.read(&site), is_of).await?;
    Ok(Json(changed).into_response())
}

fn names(site: &Site, list: &RawValue) -> Result<Vec<GroupName>, Refusal> {
    let most = site.door.hub.limits.groups_per_connection;
    let names = Names::read(list, most)
        .map_err(|error| Refusal::bad_request(Code::BadJson, error.to_string()))?;
    group_names(site, names.iter().map(|name| &**name))
}

fn late() -> Refusal {
    let message = format!("the body did not arrive within {BODY_WITHIN:?}");
    Refusal::new(StatusCode::REQUEST_TIMEOUT, Code::TooSlow, message)
}

fn unreadable(rejection: &JsonRejection) -> Refusal {
    let code = match rejection.status() {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::NotJson,
        StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge,
        _ => Code::BadJson,
    };
    // axum answers `422` for a value of the wrong type. It is a bad request like any other here.
    let status = match rejection.status() {
        StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
        status => status,
    };
    Refusal::new(status, code, rejection.body_text())
}
