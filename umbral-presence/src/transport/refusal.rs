//! Refusals: a status, and a JSON body that says why.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    access::{Closed, Foreign, IdentityError, TooLong},
    ask::Unanswered,
    hub::Full,
    name::GroupName,
};

/// Why a request is refused. The body is `{"error": {"code", "message"}}`, and has `limit` if the
/// request is over one.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// Seconds after which the same request may succeed.
    retry_after: Option<u16>,
    limit: Option<usize>,
    /// Whether the HTTP connection is closed after the answer.
    closes: bool,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after: None,
            limit: None,
            closes: false,
        }
    }

    /// The JSON body.
    pub(super) fn body(&self) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if let Some(limit) = self.limit {
            error["limit"] = json!(limit);
        }
        json!({ "error": error })
    }

    fn retry_after(mut self, seconds: u16) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub(super) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn too_many_groups(most: usize) -> Self {
        let message = format!("a connection has at most {most} groups");
        Self { limit: Some(most), ..Self::bad_request("too_many_groups", message) }
    }

    pub(super) fn denied(groups: &[GroupName]) -> Self {
        let names: Vec<_> = groups.iter().map(GroupName::as_str).collect();
        let message = format!("you may not join {}", names.join(", "));
        Self::new(StatusCode::FORBIDDEN, "denied", message)
    }

    pub(super) fn foreign(foreign: Foreign) -> Self {
        let (code, message) = match foreign {
            Foreign::Origin => {
                ("origin", "pages of this origin may not connect; the server can allow it by name")
            }
            Foreign::Host => {
                ("host", "the server does not go by this host; it can allow it by name")
            }
        };
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    /// The request does not say that it wants an event stream.
    pub(super) fn no_event_stream() -> Self {
        let message =
            "this is an event stream; ask for it with the header `Accept: text/event-stream`";
        Self::new(StatusCode::NOT_ACCEPTABLE, "no_event_stream", message)
    }

    /// The identity resolver gave no usable answer. That has been logged.
    fn identity(error: &IdentityError) -> Self {
        match error {
            IdentityError::Unanswered(Unanswered::TimedOut) => Self::busy("identity"),
            IdentityError::Unanswered(Unanswered::Panicked) | IdentityError::Invalid(_) => {
                Self::failed("identity")
            }
        }
    }

    /// The policy gave no answer. That has been logged.
    fn policy(error: Unanswered) -> Self {
        match error {
            Unanswered::TimedOut => Self::busy("policy"),
            Unanswered::Panicked => Self::failed("policy"),
        }
    }

    /// The client asks more often than it may.
    pub(super) fn too_fast(per_second: u32) -> Self {
        let message = format!("at most {per_second} of these in a second; try again");
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_fast", message);
        Self { limit: usize::try_from(per_second).ok(), ..refusal.retry_after(1) }
    }

    /// Rights were revoked while each of the answers was on its way.
    fn revoked() -> Self {
        Self::busy("revoked")
    }

    fn busy(code: &'static str) -> Self {
        let message = "the server could not decide in time; try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message).retry_after(1)
    }

    /// The client is not told what went wrong inside. The log says it.
    pub(super) fn failed(code: &'static str) -> Self {
        let message = "the server could not decide; the cause is in its log";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, message)
    }
}

impl From<Closed> for Refusal {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Identity(error) => Self::identity(&error),
            Closed::Policy(error) => Self::policy(error),
            Closed::Full(full) => full.into(),
            Closed::Revoked => Self::revoked(),
        }
    }
}

impl From<TooLong> for Refusal {
    fn from(error: TooLong) -> Self {
        let (TooLong::Head { most, .. } | TooLong::Kept { most, .. }) = error;
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let refusal = Self::new(status, "long_head", error.to_string());
        // The connection would keep the buffer that the head was read into.
        Self { limit: Some(most), closes: true, ..refusal }
    }
}

impl From<Full> for Refusal {
    fn from(full: Full) -> Self {
        match full {
            Full::Connections => {
                let message = "the server has as many connections as it takes";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "full", message).retry_after(5)
            }
            Full::Anonymous => {
                let message = "the server has as many anonymous connections as it takes; \
                               signed-in users may still come";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "full", message).retry_after(5)
            }
            Full::ConnectionsOfUser => {
                let message = "you have as many connections as one user may have";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_connections", message)
                    .retry_after(5)
            }
            Full::ConnectionsOfAddress => {
                let message = "your address has as many connections as one may have";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_connections", message)
                    .retry_after(5)
            }
            Full::Answers => {
                let message = "as many answers to you are under way as you may have connections";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_answers", message).retry_after(5)
            }
            Full::Busy => Self::busy("busy"),
            Full::TooFast { per_second } => Self::too_fast(per_second),
            Full::Draining => {
                let message = "the server is going down; try again";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "draining", message).retry_after(1)
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        // The message is left out of the log, because it may repeat any text of the client.
        tracing::debug!(status = self.status.as_u16(), code = self.code, "refused");
        let mut response = (self.status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        // A refusal is for this moment and this visitor only.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.closes {
            // HTTP/2 has no such header, and hyper leaves it out there.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
