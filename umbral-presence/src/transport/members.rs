//! `GET {base}/members?group=g`: the members of a group now, for first paint and for scripts.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header, request::Parts};
use serde::Deserialize;

use super::{
    admission::{check_origin, group_names, kept, query},
    code::Code,
    listing::Listing,
    refusal::Refusal,
    site::Site,
};
use crate::{
    access::{Asker, Closed, Unfit},
    hub::{Outdated, SignIn},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MembersQuery {
    group: String,
}

pub(super) async fn list(State(site): State<Arc<Site>>, parts: Parts) -> Result<Response, Refusal> {
    check_origin(&site, &parts)?;
    let MembersQuery { group } = query(&parts.uri)?;
    let groups = group_names(&site, [group.as_str()])?;
    let hub = &site.door.hub;
    let too_fast = || Refusal::too_fast(hub.limits.members_per_second);
    let address = site.address.of(&parts);
    if !hub.admits_look_up(None, address) {
        return Err(too_fast());
    }
    let mut turn = hub.turn(address)?;
    let kept = kept(&site, &parts)?;
    let head = kept.as_ref().map_or(&parts, |kept| &kept.0);
    let look = site.door.admit(Asker::Passing(head, &mut turn), &groups, |sign_in, verdict| {
        if !hub.admits_look_up(SignIn::user_of(sign_in), None) {
            return Err(Unfit::Refused(too_fast()));
        }
        hub.check_sign_in(sign_in, verdict)?;
        let [group] = verdict.allowed.as_slice() else {
            return Err(Unfit::Refused(Refusal::denied(&verdict.denied)));
        };
        Ok(hub.has_presence(group).then(|| (sign_in.cloned(), verdict.clone())))
    });
    let Some((sign_in, verdict)) = look.await? else {
        let message = format!("{group} has no presence");
        return Err(Refusal::new(StatusCode::NOT_FOUND, Code::NoPresence, message));
    };
    // Only for somebody who may see it is it read what other nodes say. That may take a while.
    let _visit = hub.visit(&groups[0]).await;
    hub.check_sign_in(sign_in.as_ref(), &verdict).map_err(|Outdated| Closed::Revoked)?;
    let snapshot = hub.snapshot(&groups[0]);
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "application/json")];
    let body = Body::from_stream(Listing::new(snapshot.listing(), turn));
    Ok((headers, body).into_response())
}
