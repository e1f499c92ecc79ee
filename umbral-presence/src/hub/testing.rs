//! What the tests of this folder share: hubs and sessions.

use std::sync::Arc;

use serde_json::Value;

use super::{Hub, NotOpened, Opening, Session, SignIn, Verdict};
use crate::{
    limits::Limits,
    name::{GroupName, UserId},
    spec::{PresenceSpec, matcher::Matcher, resolver::ResolveContext},
    store::Nodes,
    wire::{Dialect, Transport},
};

/// A hub with these specs and limits.
pub(super) fn hub(specs: impl IntoIterator<Item = PresenceSpec>, limits: Limits) -> Arc<Hub> {
    let (matcher, _) = Matcher::new(specs.into_iter().collect());
    Hub::new(matcher, limits, ResolveContext::default(), Nodes::default())
}

pub(super) fn user(id: &str) -> UserId {
    UserId::new(id).expect("an id")
}

pub(super) fn group(name: &str) -> GroupName {
    GroupName::new(name).expect("a name")
}

/// The group that most tests are about.
pub(super) fn room() -> GroupName {
    group("room:1")
}

/// The policy, asked now, allows these groups.
pub(super) fn allowed(hub: &Hub, allowed: impl IntoIterator<Item = GroupName>) -> Verdict {
    let allowed = allowed.into_iter().collect();
    Verdict { asked: hub.revocations.now(), allowed, ..Verdict::default() }
}

/// A session of a user that a verdict opens, if it still holds.
pub(super) fn open(
    hub: &Arc<Hub>,
    id: &str,
    transport: Transport,
    verdict: &Verdict,
) -> Result<Session, NotOpened> {
    let dialect = Dialect { transport, v1: true };
    let sign_in = Some(SignIn { user: user(id), session: None, until: None });
    let opening = Opening { sign_in, dialect, token: None, request: None };
    Session::open(hub, opening, verdict, |_| None::<Value>)
}
