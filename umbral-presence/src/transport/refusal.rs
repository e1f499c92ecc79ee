//! Refusals: a status, and a JSON body that says why.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::code::Code;
use crate::{
    access::{Closed, Foreign, IdentityError, TooLong},
    ask::Unanswered,
    figures::refused,
    hub::Full,
    name::GroupName,
};

/// The page of the guide with a row for each code.
const HELP: &str = concat!(
    "https://docs.rs/umbral-presence/",
    env!("CARGO_PKG_VERSION"),
    "/umbral_presence/guide/errors/index.html"
);

/// Why a request is refused. The body is `{"error": {"code", "message", "help"}}`, and has `limit` if the
/// request is over one.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    code: Code,
    message: String,
    /// Seconds after which the same request may succeed.
    retry_after: Option<u16>,
    limit: Option<usize>,
    /// Whether the HTTP connection is closed after the answer.
    closes: bool,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after: None,
            limit: None,
            closes: false,
        }
    }

    /// The message is left out of the log, because it may repeat any text of the client.
    pub(super) fn log(&self) {
        tracing::debug!(status = self.status.as_u16(), code = self.code.as_str(), "refused");
    }

    /// The JSON body. The refusal counts when it is made, over HTTP and over a WebSocket alike.
    pub(super) fn body(&self) -> Value {
        refused(self.code.as_str(), 1);
        let code = self.code.as_str();
        let help = format!("{HELP}#{code}");
        let mut error = json!({ "code": code, "message": self.message, "help": help });
        if let Some(limit) = self.limit {
            error["limit"] = json!(limit);
        }
        json!({ "error": error })
    }

    fn retry_after(mut self, seconds: u16) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub(super) fn bad_request(code: Code, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn too_many_groups(most: usize) -> Self {
        let message = format!("a connection has at most {most} groups");
        Self { limit: Some(most), ..Self::bad_request(Code::TooManyGroups, message) }
    }

    /// A WebSocket with `auth=1` says who it is of in its first text, and no other text does.
    pub(super) fn no_auth(message: &str) -> Self {
        Self::bad_request(Code::NoAuth, message)
    }

    /// The token of the request is nobody's, or nobody's any more.
    pub(super) fn unauthenticated() -> Self {
        let message = "the token is not accepted; it may have run out";
        Self::new(StatusCode::UNAUTHORIZED, Code::Unauthenticated, message)
    }

    pub(super) fn denied(groups: &[GroupName]) -> Self {
        let names: Vec<_> = groups.iter().map(GroupName::as_str).collect();
        let message = format!("you may not join {}", names.join(", "));
        Self::new(StatusCode::FORBIDDEN, Code::Denied, message)
    }

    pub(super) fn foreign(foreign: Foreign) -> Self {
        let (code, message) = match foreign {
            Foreign::Origin => (
                Code::Origin,
                "pages of this origin may not connect; the server can allow it by name",
            ),
            Foreign::Host => {
                (Code::Host, "the server does not go by this host; it can allow it by name")
            }
        };
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    /// The request does not say that it wants an event stream.
    pub(super) fn no_event_stream() -> Self {
        let message =
            "this is an event stream; ask for it with the header `Accept: text/event-stream`";
        Self::new(StatusCode::NOT_ACCEPTABLE, Code::NoEventStream, message)
    }

    /// The identity resolver gave no usable answer. That has been logged.
    fn identity(error: &IdentityError) -> Self {
        match error {
            IdentityError::Unanswered(Unanswered::TimedOut | Unanswered::Failed(_)) => {
                Self::busy(Code::Identity)
            }
            IdentityError::Unanswered(Unanswered::Panicked)
            | IdentityError::User(_)
            | IdentityError::Session(_) => Self::failed(Code::Identity),
        }
    }

    /// The policy gave no answer. That has been logged.
    fn policy(error: &Unanswered) -> Self {
        match error {
            Unanswered::TimedOut | Unanswered::Failed(_) => Self::busy(Code::Policy),
            Unanswered::Panicked => Self::failed(Code::Policy),
        }
    }

    /// The client asks more often than it may.
    pub(super) fn too_fast(per_second: u32) -> Self {
        let message = format!("at most {per_second} of these in a second; try again");
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, Code::TooFast, message);
        Self { limit: usize::try_from(per_second).ok(), ..refusal.retry_after(1) }
    }

    /// The node that holds the stream has not answered.
    #[cfg(feature = "redis")]
    pub(super) fn no_node() -> Self {
        let message = "the server that holds the stream has not answered; try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::NoNode, message).retry_after(2)
    }

    /// Rights were revoked while each of the answers was on its way.
    fn revoked() -> Self {
        Self::busy(Code::Revoked)
    }

    fn busy(code: Code) -> Self {
        let message = "the server could not decide; try again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message).retry_after(1)
    }

    /// The client is not told what went wrong inside. The log says it.
    pub(super) fn failed(code: Code) -> Self {
        let message = "the server could not decide; the cause is in its log";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, message)
    }
}

impl From<Closed> for Refusal {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Identity(error) => Self::identity(&error),
            Closed::Policy(error) => Self::policy(&error),
            Closed::Full(full) => full.into(),
            Closed::Revoked => Self::revoked(),
        }
    }
}

impl From<TooLong> for Refusal {
    fn from(error: TooLong) -> Self {
        let (TooLong::Head { most, .. } | TooLong::Kept { most, .. }) = error;
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let refusal = Self::new(status, Code::LongHead, error.to_string());
        // The connection would keep the buffer that the head was read into.
        Self { limit: Some(most), closes: true, ..refusal }
    }
}

impl From<Full> for Refusal {
    fn from(full: Full) -> Self {
        match full {
            Full::Connections => {
                let message = "the server has as many connections as it takes";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Full, message).retry_after(5)
            }
            Full::Anonymous => {
                let message = "the server has as many anonymous connections as it takes; \
                               signed-in users may still come";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Full, message).retry_after(5)
            }
            Full::ConnectionsOfUser => {
                let message = "you have as many connections as one user may have";
                Self::new(StatusCode::TOO_MANY_REQUESTS, Code::TooManyConnections, message)
                    .retry_after(5)
            }
            Full::ConnectionsOfAddress => {
                let message = "your address has as many connections as one may have";
                Self::new(StatusCode::TOO_MANY_REQUESTS, Code::TooManyConnections, message)
                    .retry_after(5)
            }
            Full::Answers => {
                let message = "as many answers to you are under way as you may have connections";
                Self::new(StatusCode::TOO_MANY_REQUESTS, Code::TooManyAnswers, message)
                    .retry_after(5)
            }
            Full::Busy => Self::busy(Code::Busy),
            Full::TooFast { per_second } => Self::too_fast(per_second),
            Full::Draining => {
                let message = "the server is going down; try again";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::Draining, message).retry_after(1)
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.log();
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
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 6750, section 3.
            let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
