//! What an operator is told. What could be cured is a warning that names the cure, and comes
//! seldom, whoever makes it come; what happens to connections is for debugging. No payload,
//! cookie or token is in any line.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    time::{Duration, Instant},
};

use tracing::{debug, warn};

use crate::{
    connection::Connection, frame::Transport, group::GroupName, hub::now, sync::Mutex, user::UserId,
};

/// A limit is told of once in this time.
const ONCE_IN: Duration = Duration::from_secs(60);

/// So many origins are told of; a client can make up as many as it likes.
const MOST_STRANGERS: usize = 100;

/// What is told of a header that a client has written.
const MOST_BYTES: usize = 200;

/// The limits that have been reached, by their names in [`Limits`](crate::Limits).
#[derive(Debug, Default)]
pub(crate) struct Reached(Mutex<HashMap<&'static str, Times>>);

#[derive(Debug)]
struct Times {
    told: Option<Instant>,
    /// How often it has been reached since.
    since: u64,
}

impl Reached {
    /// Tells that a limit has been reached, by this user where it is one's own.
    pub(crate) fn note(&self, limit: &'static str, value: usize, user: Option<&UserId>) {
        if let Some(times) = self.count(limit) {
            let user = user.map(tracing::field::display);
            warn!(value, times, user, "the limit `{limit}` is reached");
        }
    }

    /// How often it has been reached, where that is to be told.
    fn count(&self, limit: &'static str) -> Option<u64> {
        let now = now();
        let mut limits = self.0.lock();
        let times = limits.entry(limit).or_insert(Times { told: None, since: 0 });
        times.since += 1;
        let is_due = times.told.is_none_or(|told| now.duration_since(told) >= ONCE_IN);
        is_due.then(|| {
            times.told = Some(now);
            std::mem::take(&mut times.since)
        })
    }
}

/// The origins whose pages have been refused.
#[derive(Debug, Default)]
pub(crate) struct Strangers(Mutex<HashSet<Box<str>>>);

impl Strangers {
    /// Tells that a page of another origin was refused, once for each origin.
    pub(crate) fn refused(&self, origin: Option<&[u8]>, host: Option<&[u8]>) {
        let origin = shown(origin);
        let strangers = {
            let mut strangers = self.0.lock();
            if strangers.len() >= MOST_STRANGERS || !strangers.insert(origin.as_str().into()) {
                return;
            }
            strangers.len()
        };
        warn!(
            origin,
            host = shown(host),
            "a page of another origin may not connect; if it is yours, name it by \
             `allowed_origins`, or have the proxy leave `Host` as it is"
        );
        if strangers == MOST_STRANGERS {
            warn!("so many origins have been refused that no more of them will be told of");
        }
    }

    /// Tells that the server does not go by a host, once for each.
    pub(crate) fn misdirected(&self, host: Option<&[u8]>) {
        let host = shown(host);
        let is_new = {
            let mut strangers = self.0.lock();
            strangers.len() < MOST_STRANGERS && strangers.insert(format!("host {host}").into())
        };
        if is_new {
            warn!(host, "a request to another host is refused; `allowed_hosts` can name it");
        }
    }
}

/// A header's value, as far as it is to be told.
fn shown(value: Option<&[u8]>) -> String {
    let Some(value) = value else {
        return "none".to_owned();
    };
    value[..value.len().min(MOST_BYTES)].escape_ascii().to_string()
}

/// Who a line is about.
struct Who<'a>(Option<&'a UserId>);

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(user) => user.fmt(f),
            None => f.write_str("(anonymous)"),
        }
    }
}

pub(crate) fn opened(connection: &Connection) {
    let transport = match connection.dialect.transport {
        Transport::Sse => "event stream",
        Transport::WebSocket => "WebSocket",
    };
    let (id, user) = (connection.id, Who(connection.user.as_ref()));
    debug!(connection = %id, %user, transport, "open");
}

pub(crate) fn joined(connection: &Connection, group: &GroupName) {
    let (id, user) = (connection.id, Who(connection.user.as_ref()));
    debug!(connection = %id, %user, %group, "join");
}

pub(crate) fn left(connection: &Connection, group: &GroupName, goodbye: bool) {
    let (id, user) = (connection.id, Who(connection.user.as_ref()));
    debug!(connection = %id, %user, %group, goodbye, "leave");
}

pub(crate) fn denied(user: Option<&UserId>, group: &GroupName) {
    debug!(user = %Who(user), %group, "denied");
}

pub(crate) fn closed(connection: &Connection, goodbye: bool) {
    let why = match connection.outbox.ended() {
        Some(end) => end.in_words(),
        None if goodbye => "the client has said goodbye",
        None => "the peer is gone",
    };
    let (id, user) = (connection.id, Who(connection.user.as_ref()));
    debug!(connection = %id, %user, why, "close");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_limit_is_told_of_once_a_minute_with_how_often_it_was_reached() {
        let reached = Reached::default();
        assert_eq!(reached.count("connections"), Some(1));
        for _ in 0..1000 {
            assert_eq!(reached.count("connections"), None);
        }
        assert_eq!(reached.count("anonymous"), Some(1));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(reached.count("connections"), None);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(reached.count("connections"), Some(1002));
        assert_eq!(reached.count("connections"), None);
    }

    #[test]
    fn an_origin_is_told_of_once_and_no_client_fills_the_memory() {
        let strangers = Strangers::default();
        let known = || strangers.0.lock().len();
        for _ in 0..10 {
            strangers.refused(Some(b"https://evil.example"), Some(b"example.com"));
        }
        assert_eq!(known(), 1);
        for n in 0..10_000 {
            let origin = format!("https://{n}.example{}", "x".repeat(10_000));
            strangers.refused(Some(origin.as_bytes()), None);
            strangers.misdirected(Some(origin.as_bytes()));
        }
        assert_eq!(known(), MOST_STRANGERS);
        let bytes: usize = strangers.0.lock().iter().map(|origin| origin.len()).sum();
        assert!(bytes <= MOST_STRANGERS * (4 * MOST_BYTES + 5), "{bytes}");
    }

    #[test]
    fn what_a_client_has_written_is_told_in_ascii() {
        assert_eq!(shown(Some("a\u{202e}\n\u{1b}[1m".as_bytes())), "a\\xe2\\x80\\xae\\n\\x1b[1m");
        assert_eq!(shown(None), "none");
    }
}
