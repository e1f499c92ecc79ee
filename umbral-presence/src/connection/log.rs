//! The log lines about one connection, for debugging. No payload, cookie or token is in any
//! line.

use tracing::debug;

use super::reader::Reader;
use crate::{
    journal::Who,
    name::{GroupName, UserId},
    wire::Transport,
};

pub(crate) fn opened(reader: &Reader) {
    let transport = match reader.dialect.transport {
        Transport::Sse => "event stream",
        Transport::WebSocket => "WebSocket",
    };
    let (id, user) = (reader.id, Who(reader.user.as_ref()));
    reader.span.in_scope(|| debug!(connection = %id, %user, transport, "open"));
}

pub(crate) fn joined(reader: &Reader, group: &GroupName) {
    let (id, user) = (reader.id, Who(reader.user.as_ref()));
    reader.span.in_scope(|| debug!(connection = %id, %user, %group, "join"));
}

pub(crate) fn left(reader: &Reader, group: &GroupName, goodbye: bool) {
    let (id, user) = (reader.id, Who(reader.user.as_ref()));
    reader.span.in_scope(|| debug!(connection = %id, %user, %group, goodbye, "leave"));
}

pub(crate) fn denied(user: Option<&UserId>, group: &GroupName) {
    debug!(user = %Who(user), %group, "denied");
}

pub(crate) fn closed(reader: &Reader, goodbye: bool) {
    let why = match reader.outbox.ended() {
        Some(end) => end.in_words(),
        None if goodbye => "the client has said goodbye",
        None => "the peer is gone",
    };
    let (id, user) = (reader.id, Who(reader.user.as_ref()));
    reader.span.in_scope(|| debug!(connection = %id, %user, why, "close"));
}
