//! Turns a request into an open session: it checks the origin and the query, and asks the door.

use axum::extract::Query;
use http::{Uri, header::AUTHORIZATION, request::Parts};
use indexmap::IndexSet;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use tracing::Instrument as _;

use super::{
    code::Code,
    conn::Conn,
    refusal::Refusal,
    site::{HEARTBEAT, Site},
};
use crate::{
    access::{TooLong, Unfit, check_head, wants_events},
    hash::Keyed,
    hub::{KeptRequest, Opening, Session, SignIn, Verdict},
    name::{GroupName, Token},
    spans,
    wire::{Dialect, Transport},
};

/// `?groups=a,b&v=1&auth=1`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamQuery {
    #[serde(default)]
    groups: String,
    v: Option<String>,
    auth: Option<String>,
}

/// A stream as a request asks for it.
pub(super) struct Wish {
    pub(super) dialect: Dialect,
    groups: Vec<GroupName>,
    /// The request brings a token, and is refused where the token is nobody's.
    pub(super) with_token: bool,
}

/// Reads a query. The error names the key that is wrong.
pub(super) fn query<Q: DeserializeOwned>(uri: &Uri) -> Result<Q, Refusal> {
    // `Query` would replace bytes that are not UTF-8 by another character.
    let text = uri.query().unwrap_or_default();
    if percent_decode_str(text).decode_utf8().is_err() {
        let message = "the query is not UTF-8 behind its percent signs";
        return Err(Refusal::bad_request(Code::BadQuery, message));
    }
    Query::try_from_uri(uri)
        .map(|Query(query)| query)
        .map_err(|error| Refusal::bad_request(Code::BadQuery, error.body_text()))
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
            .map_err(|error| Refusal::bad_request(Code::BadGroup, error.to_string()))?;
        groups.insert(name);
    }
    Ok(groups.into_iter().collect())
}

/// Whether `auth=1` says that a request brings a token.
pub(super) fn with_token(auth: Option<&str>) -> Result<bool, Refusal> {
    match auth {
        None => Ok(false),
        Some("1") => Ok(true),
        // The value is not repeated: it may be a token that was put there by mistake.
        Some(_) => {
            let message = "this value of auth means nothing; auth=1 says that there is a token";
            Err(Refusal::bad_request(Code::BadQuery, message))
        }
    }
}

/// Reads what stream a request asks for, before anybody is asked whether it may be.
pub(super) fn wish(site: &Site, parts: &Parts, transport: Transport) -> Result<Wish, Refusal> {
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
            return Err(Refusal::bad_request(Code::BadVersion, message));
        }
    };
    let names = query.groups.split(',').filter(|_| !query.groups.is_empty());
    let groups = group_names(site, names)?;
    check_kind(parts, transport)?;
    let with_token = with_token(query.auth.as_deref())?;
    Ok(Wish { dialect: Dialect { transport, v1 }, groups, with_token })
}

/// Opens a session in the groups that the request names.
///
/// Without `v=1` a denied group refuses the whole request. With it `@hello` names the denied groups.
pub(super) async fn admit(site: &Site, parts: &Parts, wish: &Wish) -> Result<Session, Refusal> {
    let Wish { dialect, ref groups, .. } = *wish;
    let has_token = wish.with_token && parts.headers.contains_key(AUTHORIZATION);
    let request = kept(site, parts)?;
    let head = request.as_ref().map_or(parts, |request| &request.0);
    let has_name = dialect.v1 && dialect.transport == Transport::Sse;
    let token = if has_name { Some(token()?) } else { None };
    let node = site.door.hub.nodes.process();
    let conn = token.map(|token| Conn { token, node });
    let address = site.address.of(parts);
    let session = site.door.enter(head, address, groups, |sign_in, verdict| {
        let Verdict { denied, .. } = verdict;
        if has_token && sign_in.is_none() {
            return Err(Unfit::Refused(Refusal::unauthenticated()));
        }
        if !dialect.v1 && !denied.is_empty() {
            return Err(Unfit::Refused(Refusal::denied(denied)));
        }
        let hello = |no_presence: &[GroupName]| {
            let mut hello = json!({
                "conn": conn.as_ref().map(ToString::to_string),
                "me": SignIn::user_of(sign_in),
                "denied": denied,
                "heartbeat": HEARTBEAT.as_secs(),
            });
            if !no_presence.is_empty() {
                hello["no_presence"] = json!(no_presence);
            }
            dialect.v1.then_some(hello)
        };
        let request = request.clone();
        let opening = Opening { sign_in: sign_in.cloned(), dialect, token, request };
        Ok(Session::open(&site.door.hub, opening, verdict, hello)?)
    });
    let session = session.instrument(spans::handshake(dialect.transport)).await?;
    site.door.hub.settled(session.connection()).await;
    site.recheck.watch(&site.door, session.connection());
    site.expiry.watch(&site.door, session.connection());
    Ok(session)
}

fn token() -> Result<Token, Refusal> {
    Token::random().map_err(|error| {
        tracing::error!(%error, "no randomness for a token");
        Refusal::failed(Code::Token)
    })
}
