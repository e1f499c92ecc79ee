//! `GET {base}/members?group=g`: who is present now, for first paint and for scripts.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header, request::Parts};
use serde::Deserialize;
use serde_json::json;

use super::{
    admission::{check_origin, group_names, identify, query, sort_out},
    refusal::Refusal,
};
use crate::realtime::App;

#[derive(Debug, Deserialize)]
struct MembersQuery {
    group: String,
}

pub(super) async fn list(State(app): State<Arc<App>>, parts: Parts) -> Result<Response, Refusal> {
    check_origin(&app, &parts)?;
    let MembersQuery { group } = query(&parts.uri)?;
    let groups = group_names(&app, [group.as_str()])?;
    let user = identify(&app, &parts).await?;
    let (allowed, denied) = sort_out(&app, user.as_ref(), groups).await?;
    let [group] = allowed.as_slice() else {
        return Err(Refusal::denied(&denied));
    };
    if !app.hub.has_presence(group) {
        let message = format!("{group} has no presence");
        return Err(Refusal::new(StatusCode::NOT_FOUND, "no_presence", message));
    }
    let (members, version) = app.hub.told(group);
    let body = json!({ "group": group, "v": version, "members": members });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}
