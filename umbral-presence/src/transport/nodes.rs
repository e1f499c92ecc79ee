//! What this node does for other nodes, and has them do.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::{Body, to_bytes},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};

use super::{
    admission::kept,
    change::{Call, change, unknown},
    refusal::Refusal,
    site::Site,
};
use crate::{
    access::Closed,
    clock::{millis, now},
    hub::{Connection, Outdated, SignIn, Turn},
    name::{GroupName, SessionId, UserId},
    store::redis::{Ask, Caller, NoReply, Reply},
};

/// The largest answer to a call that is passed on.
const MAX_ANSWER: usize = 1 << 20;

/// Has what other nodes ask answered.
pub(crate) fn answer_nodes(site: &Arc<Site>) {
    let weak = Arc::downgrade(site);
    site.door.hub.nodes.answer_with(Box::new(move |ask, age| {
        let site = weak.upgrade();
        Box::pin(async move { answer(&site?, ask, age).await })
    }));
}

/// Does what another node asks, or asked so long ago. `None` where this node cannot read it.
async fn answer(site: &Arc<Site>, ask: Ask, age: Duration) -> Option<Reply> {
    let hub = &site.door.hub;
    let then = if age.is_zero() { None } else { now().checked_sub(age) };
    let user = |id: String| UserId::new(id).ok();
    match ask {
        Ask::Disconnect { user: id } => hub.disconnect_all_of_before(&user(id)?, then),
        Ask::EndSession { session } => {
            hub.end_session_of_before(&SessionId::new(&session).ok()?, then);
        }
        Ask::Alive { token } => {
            if let Some(connection) = hub.by_token(token.parse().ok()?) {
                connection.reader.liveness.prove(now());
            }
        }
        Ask::RecheckUser { user: id } => site.door.recheck_user(&user(id)?).await,
        Ask::RecheckGroup { group } => site.door.recheck_group(&GroupName::new(group).ok()?).await,
        Ask::Refresh { user: id } => hub.refresh(&user(id)?).await,
        Ask::GroupsOf { user: id } => {
            let groups = hub.groups_of(&user(id)?);
            return Some(Reply::Groups(groups.iter().map(ToString::to_string).collect()));
        }
        Ask::Control { token, caller, number, groups, sync, headers } => {
            let sign_in = match caller {
                Some(caller) => Some(read(caller)?),
                None => None,
            };
            let names = |names: Vec<String>| -> Option<Vec<GroupName>> {
                names.into_iter().map(|name| GroupName::new(name).ok()).collect()
            };
            let call = Call { number, groups: names(groups)?, sync: names(sync)? };
            // Of when the other node has asked it is known that it was no later.
            let asked = hub.revocations.now();
            let is_of = async |connection: &Arc<Connection>| {
                let is_of = connection.user() == SignIn::user_of(sign_in.as_ref());
                let is_of = is_of && hub.identified(connection, sign_in.as_ref(), asked).is_ok();
                if is_of {
                    connection.keep_headers(read_headers(headers));
                }
                Ok(is_of)
            };
            let changed = change(site, token.parse().ok(), || Ok(call), is_of).await;
            return reply(changed.map(Json).into_response()).await;
        }
    }
    Some(Reply::Done)
}

/// Who calls, as another node has found.
fn read(Caller { user, session, holds_for }: Caller) -> Option<SignIn> {
    let session = session.as_deref().map(SessionId::new).transpose().ok()?;
    let until = holds_for.map(|left| now() + Duration::from_millis(left));
    Some(SignIn { user: UserId::new(user).ok()?, session, until })
}

/// The headers of a call, as another node has got them.
fn read_headers(headers: Vec<(String, Vec<u8>)>) -> HeaderMap {
    let read = |(name, value): (String, Vec<u8>)| {
        let mut value = HeaderValue::from_bytes(&value).ok()?;
        value.set_sensitive(true);
        Some((name.parse::<HeaderName>().ok()?, value))
    };
    headers.into_iter().filter_map(read).collect()
}

/// An answer as it is passed on.
async fn reply(response: Response) -> Option<Reply> {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
    let body = to_bytes(response.into_body(), MAX_ANSWER).await.ok()?;
    Some(Reply::Control { status, retry_after, body: String::from_utf8(body.into()).ok()? })
}

/// Has the node that holds a stream change its groups.
pub(super) async fn forward(
    site: &Arc<Site>,
    parts: &Parts,
    has_token: bool,
    (node, token): (u64, String),
    call: Call,
    mut turn: Turn,
) -> Result<Response, Refusal> {
    let hub = &site.door.hub;
    let kept = kept(site, parts)?;
    let head = kept.as_ref().map_or(parts, |kept| &kept.0);
    let asked = hub.revocations.now();
    let sign_in = match site.door.identify(head).await {
        Ok(None) if has_token => Err(Refusal::unauthenticated()),
        Ok(sign_in) => Ok(sign_in),
        Err(error) => Err(Closed::from(error).into()),
    };
    let sign_in = sign_in.inspect_err(|_| {
        // The client is alive even if it is not known who calls.
        if let Some(redis) = hub.nodes.redis().cloned() {
            let token = token.clone();
            tokio::spawn(async move { redis.ask(node, Ask::Alive { token }).await });
        }
    })?;
    let session = SignIn::session_of(sign_in.as_ref());
    hub.revocations.check_session(session, asked).map_err(|Outdated| Closed::Revoked)?;
    let user = SignIn::user_of(sign_in.as_ref());
    turn.is_for(user)?;
    if !hub.admits_call(user) {
        return Err(Refusal::too_fast(hub.limits.control_per_second));
    }
    let Call { number, groups, sync } = call;
    let names = |names: Vec<GroupName>| names.iter().map(ToString::to_string).collect();
    let caller = sign_in.map(|it| Caller {
        user: it.user.to_string(),
        session: it.session.map(|session| session.as_str().to_owned()),
        holds_for: it.until.map(|until| millis(until.saturating_duration_since(now()))),
    });
    let headers = kept.as_ref().map_or_else(Vec::new, |kept| {
        let headers = kept.0.headers.iter();
        headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
    });
    let (groups, sync) = (names(groups), names(sync));
    let ask = Ask::Control { token, caller, number, groups, sync, headers };
    let asked = match hub.nodes.redis() {
        Some(redis) => redis.ask(node, ask).await,
        None => Err(NoReply::Gone),
    };
    match asked {
        Ok(Reply::Control { status, retry_after, body }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            let json = [(header::CONTENT_TYPE, "application/json")];
            let mut response = (status, json, Body::from(body)).into_response();
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            Ok(response)
        }
        Err(NoReply::Gone) => Err(unknown()),
        Ok(_) | Err(NoReply::Late) => Err(Refusal::no_node()),
    }
}
