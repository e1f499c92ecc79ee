//! Changing the groups of an open event stream, which this node holds.

use std::sync::Arc;

use http::StatusCode;
use serde::Serialize;

use super::{code::Code, refusal::Refusal, site::Site};
use crate::{
    access::{Asker, Unfit},
    clock::now,
    connection::End,
    hub::{Connection, Replaced, Unchanged},
    name::{GroupName, Token},
};

/// What a call asks for, as it has been read.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) number: u64,
    pub(super) groups: Vec<GroupName>,
    pub(super) sync: Vec<GroupName>,
}

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

/// Changes the groups of the stream with this token, if the caller `is_of` it.
pub(super) async fn change(
    site: &Site,
    token: Option<Token>,
    read: impl FnOnce() -> Result<Call, Refusal>,
    is_of: impl AsyncFnOnce(&Arc<Connection>) -> Result<bool, Refusal>,
) -> Result<Changed, Refusal> {
    let hub = &site.door.hub;
    let connection = token.and_then(|t| hub.by_token(t)).ok_or_else(unknown)?;
    let Some(_call) = connection.begin_call(now()) else {
        let most = hub.limits.control_per_second;
        hub.counters().reached.note("control_per_second", most as usize, connection.user());
        return Err(Refusal::too_fast(most));
    };
    let Call { number, groups, sync } = read()?;
    // The client is alive even if the identity resolver gives no answer.
    connection.reader.liveness.prove(now());
    if !is_of(&connection).await? {
        hub.expel(&connection, End::IdentityChanged);
        let message = "the stream was opened by somebody else; it has been ended";
        return Err(Refusal::new(StatusCode::CONFLICT, Code::IdentityChanged, message));
    }
    site.expiry.watch(&site.door, &connection);
    let replaced = site.door.admit(Asker::Member(&connection), &groups, |_, verdict| {
        hub.replace(&connection, number, verdict).map_err(|unchanged| match unchanged {
            Unchanged::Outdated => Unfit::Outdated,
            Unchanged::Ended => Unfit::Refused(unknown()),
        })
    });
    let Replaced { number: n, joined, no_presence, left, denied } = replaced.await?;
    hub.resync(&connection, &sync);
    Ok(Changed { n, joined, no_presence, left, denied })
}

/// The refusal of a call for a stream that is not there.
pub(super) fn unknown() -> Refusal {
    let message = "no open stream has this token; open a new one";
    Refusal::new(StatusCode::NOT_FOUND, Code::UnknownConnection, message)
}
