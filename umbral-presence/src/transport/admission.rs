//! From a request to an open session: origin, query, identity, policy, limits.

use std::sync::Arc;

use axum::extract::Query;
use futures_util::future::try_join_all;
use http::{Uri, request::Parts};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use super::{HEARTBEAT, refusal::Refusal};
use crate::{
    connection::{Opening, Request, Token},
    frame::{Dialect, Transport},
    group::GroupName,
    realtime::App,
    session::Session,
    user::UserId,
};

/// How often an application is asked about one request, whose answers are out of date each
/// time that they come.
pub(super) const MOST_QUESTIONS: usize = 10;

/// `?groups=a,b&v=1`
#[derive(Debug, Deserialize)]
pub(super) struct StreamQuery {
    #[serde(default)]
    groups: String,
    v: Option<String>,
}

/// Reads a query; what does not fit is named.
pub(super) fn query<Q: DeserializeOwned>(uri: &Uri) -> Result<Q, Refusal> {
    // `Query` would put a replacement character in the place of what is no text.
    let text = uri.query().unwrap_or_default();
    if percent_decode_str(text).decode_utf8().is_err() {
        let message = "the query is not UTF-8 behind its percent signs";
        return Err(Refusal::bad_request("bad_query", message));
    }
    Query::try_from_uri(uri)
        .map(|Query(query)| query)
        .map_err(|error| Refusal::bad_request("bad_query", error.body_text()))
}

/// Refuses pages of foreign origins.
pub(super) fn check_origin(app: &App, parts: &Parts) -> Result<(), Refusal> {
    if app.origins.allow(parts) { Ok(()) } else { Err(Refusal::origin()) }
}

/// Who asks.
pub(super) async fn identify(app: &App, parts: &Parts) -> Result<Option<UserId>, Refusal> {
    app.identify(parts).await.map_err(|e| Refusal::identity(&e))
}

/// Group names, each once.
pub(super) fn group_names<'a>(
    app: &App,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<GroupName>, Refusal> {
    let mut groups = Vec::new();
    for name in names {
        let name = GroupName::new(name)
            .map_err(|error| Refusal::bad_request("bad_group", error.to_string()))?;
        if !groups.contains(&name) {
            groups.push(name);
        }
        let most = app.hub.limits.groups_per_connection;
        if groups.len() > most {
            return Err(Refusal::too_many_groups(most));
        }
    }
    Ok(groups)
}

/// The groups that the policy lets this user join, and the others.
pub(super) async fn sort_out(
    app: &App,
    user: Option<&UserId>,
    groups: Vec<GroupName>,
) -> Result<(Vec<GroupName>, Vec<GroupName>), Refusal> {
    let answers = groups.iter().map(|group| app.may_join(user, group));
    let answers = try_join_all(answers).await.map_err(Refusal::policy)?;
    let (mut allowed, mut denied) = (Vec::new(), Vec::new());
    for (group, may_join) in groups.into_iter().zip(answers) {
        if may_join { &mut allowed } else { &mut denied }.push(group);
    }
    Ok((allowed, denied))
}

/// Opens a session in the groups that the request names.
///
/// Without `v=1` one denied group refuses the whole request; with it `@hello` says so.
pub(super) async fn admit(
    app: &Arc<App>,
    parts: &Parts,
    transport: Transport,
) -> Result<Session, Refusal> {
    check_origin(app, parts)?;
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
    let groups = group_names(app, names)?;
    // Before anybody is asked, who may be what the server is short of.
    app.hub.has_room()?;
    for _ in 0..MOST_QUESTIONS {
        let asked = app.hub.revocations.now();
        let user = identify(app, parts).await?;
        let (allowed, denied) = sort_out(app, user.as_ref(), groups.clone()).await?;
        if !v1 && !denied.is_empty() {
            return Err(Refusal::denied(&denied));
        }
        // Nothing is awaited from here on: the session is there or it is not.
        let request = app.recheck.is_on().then(|| Request(parts.clone()));
        let dialect = Dialect { transport, v1 };
        let session = open(app, user, dialect, request, &denied)?;
        app.recheck.start(app);
        // Who was sent away meanwhile is asked for again, with what is true now.
        if let Ok(()) = session.subscribe(&allowed, asked) {
            return Ok(session);
        }
    }
    Err(Refusal::revoked())
}

fn open(
    app: &App,
    user: Option<UserId>,
    dialect: Dialect,
    request: Option<Request>,
    denied: &[GroupName],
) -> Result<Session, Refusal> {
    let controlled = dialect.v1 && dialect.transport == Transport::Sse;
    let token = controlled.then(Token::random).transpose().map_err(|error| {
        tracing::error!(%error, "no randomness for a token");
        Refusal::failed("token")
    })?;
    let hello = dialect.v1.then(|| {
        json!({
            "conn": token.map(|token| token.to_string()),
            "me": user,
            "denied": denied,
            "heartbeat": HEARTBEAT.as_secs(),
        })
    });
    let opening = Opening { user, dialect, token, request };
    Ok(Session::open(&app.hub, opening, hello.as_ref())?)
}
