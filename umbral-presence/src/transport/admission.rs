//! Turns a request into an open session: it checks the origin and the query, and asks the door.

use axum::extract::Query;
use http::{Uri, request::Parts};
use indexmap::IndexSet;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    refusal::Refusal,
    site::{HEARTBEAT, Site},
};
use crate::{
    access::{TooLong, Unfit, check_head, wants_events},
    hash::Keyed,
    hub::{KeptRequest, Opening, Session, Verdict},
    name::{GroupName, Token},
    wire::{Dialect, Transport},
};

/// `?groups=a,b&v=1`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamQuery {
    #[serde(default)]
    groups: String,
    v: Option<String>,
}

/// Reads a query. The error names the key that is wrong.
pub(super) fn query<Q: DeserializeOwned>(uri: &Uri) -> Result<Q, Refusal> {
    // `Query` would replace bytes that are not UTF-8 by another character.
    let text = uri.query().unwrap_or_default();
    if percent_decode_str(text).decode_utf8().is_err() {
        let message = "the query is not UTF-8 behind its percent signs";
        return Err(Refusal::bad_request("bad_query", message));
    }
    Query::try_from_uri(uri)
        .map(|Query(query)| query)
        .map_err(|error| Refusal::bad_request("bad_query", error.body_text()))
}

/// Refuses pages of other origins, and requests to other hosts.
pub(super) fn check_origin(site: &Site, parts: &Parts) -> Result<(), Refusal> {
    site.gate.admit(parts).map_err(Refusal::foreign)
}

/// The part of a head that is kept for asking the identity resolver again. The first question uses
/// this part alone too, so that both questions have the same answer.
pub(super) fn kept(site: &Site, parts: &Parts) -> Result<Option<KeptRequest>, Refusal> {
    let hub = &site.door.hub;
    let note = |_: &TooLong| {
        hub.counters().reached.note("recheck_bytes", hub.limits.recheck_bytes, None);
    };
    Ok(site.recheck.kept(parts).inspect_err(note)?)
}

/// Refuses a request for an event stream that does not come from a script.
fn check_kind(parts: &Parts, transport: Transport) -> Result<(), Refusal> {
    let is_meant = transport == Transport::WebSocket || wants_events(&parts.headers);
    if is_meant { Ok(()) } else { Err(Refusal::no_event_stream()) }
}

/// Group names without duplicates. A list with more names than a connection may have is refused.
pub(super) fn group_names<'a>(
    site: &Site,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<GroupName>, Refusal> {
    let most = site.door.hub.limits.groups_per_connection;
    let mut groups: IndexSet<_, Keyed> = IndexSet::default();
    for (count, name) in names.into_iter().enumerate() {
        if count >= most {
            site.door.hub.counters().reached.note("groups_per_connection", most, None);
            return Err(Refusal::too_many_groups(most));
        }
        let name = GroupName::new(name)
            .map_err(|error| Refusal::bad_request("bad_group", error.to_string()))?;
        groups.insert(name);
    }
    Ok(groups.into_iter().collect())
}

/// Opens a session in the groups that the request names.
///
/// Without `v=1` a denied group refuses the whole request. With it `@hello` names the denied groups.
pub(super) async fn admit(
    site: &Site,
    parts: &Parts,
    transport: Transport,
) -> Result<Session, Refusal> {
    let head_bytes = site.door.hub.limits.head_bytes;
    let reached = &site.door.hub.counters().reached;
    check_head(parts, head_bytes).inspect_err(|_| reached.note("head_bytes", head_bytes, None))?;
    check_origin(site, parts)?;
    let query: StreamQuery = query(&parts.uri)?;
    let v1 = match query.v.as_deref() {
        None => false,
        Some("1") => true,
        Some(other) => {
            let message = format!("v={other:?} is no version of the protocol; v=1 is");
            return Err(Refusal::bad_request("bad_version", message));
        }
    };
    let names = query.groups.split(',').filter(|_| !query.groups.is_empty());
    let groups = group_names(site, names)?;
    check_kind(parts, transport)?;
    let request = kept(site, parts)?;
    let head = request.as_ref().map_or(parts, |request| &request.0);
    let token = if v1 && transport == Transport::Sse { Some(token()?) } else { None };
    let dialect = Dialect { transport, v1 };
    let address = site.address.of(parts);
    let session = site.door.enter(head, address, &groups, |user, verdict| {
        let Verdict { denied, .. } = verdict;
        if !v1 && !denied.is_empty() {
            return Err(Unfit::Refused(Refusal::denied(denied)));
        }
        let hello = |no_presence: &[GroupName]| {
            let mut hello = json!({
                "conn": token.map(|token| token.to_string()),
                "me": user,
                "denied": denied,
                "heartbeat": HEARTBEAT.as_secs(),
            });
            if !no_presence.is_empty() {
                hello["no_presence"] = json!(no_presence);
            }
            v1.then_some(hello)
        };
        let opening = Opening { user: user.cloned(), dialect, token, request: request.clone() };
        Ok(Session::open(&site.door.hub, opening, verdict, hello)?)
    });
    let session = session.await?;
    site.recheck.watch(&site.door, session.connection());
    Ok(session)
}

fn token() -> Result<Token, Refusal> {
    Token::random().map_err(|error| {
        tracing::error!(%error, "no randomness for a token");
        Refusal::failed("token")
    })
}
