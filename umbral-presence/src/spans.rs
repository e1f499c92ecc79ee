//! The spans, which say in what something happens. The guide lists them
//! (`docs/observability.md`). No payload, cookie or token is in any field.

use std::fmt::Display;

use tracing::{Span, debug_span, trace_span};

use crate::{
    journal::Who,
    name::{ConnectionId, GroupName, UserId},
    wire::Transport,
};

/// The life of a connection. It is in no other span, since it would keep that one open for as long as
/// it lasts, and follows from the one of its request. The application's message handler runs in it.
pub(crate) fn connection(id: ConnectionId, user: Option<&UserId>, transport: Transport) -> Span {
    let span = debug_span!(
        target: "umbral_presence", parent: None, "presence.connection",
        connection = %id, user = %Who(user), transport = transport.as_str()
    );
    if !span.is_disabled() {
        span.follows_from(Span::current());
    }
    span
}

/// From a request to its connection: who it is from, and what the policy says.
pub(crate) fn handshake(transport: Transport) -> Span {
    debug_span!(
        target: "umbral_presence", "presence.handshake",
        transport = transport.as_str()
    )
}

/// A question to the identity resolver.
pub(crate) fn identity() -> Span {
    trace_span!(target: "umbral_presence", "presence.identity")
}

/// A question to the policy.
pub(crate) fn policy(user: Option<&UserId>, group: &GroupName) -> Span {
    trace_span!(target: "umbral_presence", "presence.policy", user = %Who(user), %group)
}

/// A call of a resolver, for one user.
pub(crate) fn resolve(spec: &impl Display, user: &UserId) -> Span {
    trace_span!(target: "umbral_presence", "presence.resolve", %spec, %user)
}

/// A call of a batch resolver, for so many users.
pub(crate) fn resolve_batch(spec: &impl Display, users: usize) -> Span {
    trace_span!(target: "umbral_presence", "presence.resolve_batch", %spec, users)
}
