//! What is logged for an operator. What could be cured is a warning that names the cure, and comes
//! seldom, whoever makes it come. What happens to a connection is told by
//! [`connection::log`](crate::connection::log). No payload, cookie or token is in any line.

use std::{
    collections::{HashMap, HashSet},
    error::Error,
    fmt,
    time::{Duration, Instant},
};

use tracing::{error, warn};

use crate::{
    ask::Unanswered,
    clock::now,
    figures::Function,
    name::{GroupName, UserId},
    sync::Mutex,
};

/// A limit is logged once in this time.
const ONCE_IN: Duration = Duration::from_secs(60);

/// A failure of the application's code is logged once in this time, by its kind: whoever knows
/// what makes it fail can have it fail as often as requests are let in.
const FAILURE_ONCE_IN: Duration = Duration::from_secs(10);

/// So many origins are logged, and so many hosts; a client can make up as many as it likes.
const MOST_STRANGERS: usize = 100;

/// What is logged of a header that a client has written.
const MOST_BYTES: usize = 200;

/// What is logged seldom, by its name.
#[derive(Debug, Default)]
struct Seldom(Mutex<HashMap<&'static str, Times>>);

#[derive(Debug)]
struct Times {
    logged: Option<Instant>,
    /// How often it has happened since.
    since: u64,
}

impl Seldom {
    /// How often it has happened, where that is to be logged.
    fn count(&self, what: &'static str, once_in: Duration) -> Option<u64> {
        let now = now();
        let mut known = self.0.lock();
        let times = known.entry(what).or_insert(Times { logged: None, since: 0 });
        times.since += 1;
        let is_due = times.logged.is_none_or(|logged| now.duration_since(logged) >= once_in);
        is_due.then(|| {
            times.logged = Some(now);
            std::mem::take(&mut times.since)
        })
    }
}

/// The limits that have been reached, by their names in [`Limits`](crate::Limits).
#[derive(Debug, Default)]
pub(crate) struct Reached(Seldom);

impl Reached {
    /// Logs that a limit has been reached, by this user where it is one's own.
    pub(crate) fn note(&self, limit: &'static str, value: usize, user: Option<&UserId>) {
        if let Some(times) = self.0.count(limit, ONCE_IN) {
            let user = user.map(tracing::field::display);
            warn!(value, times, user, "the limit `{limit}` is reached");
        }
    }
}

/// The application's code that has failed.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    said: Seldom,
    /// When it last gave no answer that may be had later.
    last: Mutex<Option<Instant>>,
}

impl Failures {
    /// Whether the application has given no answer within this time: what it asks may be away.
    pub(crate) fn is_away(&self, within: Duration) -> bool {
        self.last.lock().is_some_and(|last| now().duration_since(last) < within)
    }

    /// Notes that the application has given no answer.
    pub(crate) fn note(&self, error: &Unanswered) {
        if !matches!(error, Unanswered::Panicked) {
            *self.last.lock() = Some(now());
        }
    }

    pub(crate) fn policy(&self, user: Option<&UserId>, group: &GroupName, error: &Unanswered) {
        Function::Policy.has_failed(1);
        if let Some(times) = self.said.count("policy", FAILURE_ONCE_IN) {
            let error = Chain(error);
            error!(user = %Who(user), %group, %error, times, "the policy gave no answer");
        }
    }

    pub(crate) fn identity(&self, error: &(dyn Error + 'static)) {
        Function::Identity.has_failed(1);
        if let Some(times) = self.said.count("identity", FAILURE_ONCE_IN) {
            let error = Chain(error);
            error!(%error, times, "the identity resolver gave no usable answer");
        }
    }

    /// A resolver has failed for a user, in this group where it was asked for one.
    pub(crate) fn member(
        &self,
        user: &UserId,
        group: Option<&GroupName>,
        spec: impl fmt::Display,
        error: &impl fmt::Display,
    ) {
        Function::Resolver.has_failed(1);
        if let Some(times) = self.said.count("member", FAILURE_ONCE_IN) {
            let group = group.map(tracing::field::display);
            error!(%user, group, %spec, %error, times, "a member is not shown");
        }
    }

    pub(crate) fn handler(&self, user: Option<&UserId>) {
        Function::Handler.has_failed(1);
        if let Some(times) = self.said.count("handler", FAILURE_ONCE_IN) {
            error!(user = %Who(user), times, "the message handler panicked");
        }
    }
}

/// The panics of the application's code that says which spec owns a group.
#[derive(Debug, Default)]
pub(crate) struct Panics(Seldom);

impl Panics {
    /// Logs that a spec could not say whether a group is its own.
    pub(crate) fn note(&self, group: &str, spec: impl fmt::Display) {
        if let Some(times) = self.0.count("matching", FAILURE_ONCE_IN) {
            error!(group, %spec, times, "matching a name panicked");
        }
    }
}

/// The origins whose pages have been refused, and the hosts that have.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    origins: Few,
    hosts: Few,
}

/// No more of them than are logged.
#[derive(Debug, Default)]
struct Few(Mutex<HashSet<String>>);

impl Few {
    /// How many there are with this one, unless it has been logged or there are too many.
    fn add(&self, what: &str) -> Option<usize> {
        let mut known = self.0.lock();
        let is_new = known.len() < MOST_STRANGERS && known.insert(what.to_owned());
        is_new.then_some(known.len())
    }
}

impl Strangers {
    /// Logs that a page of another origin was refused, once for each origin.
    pub(crate) fn refused(&self, origin: Option<&[u8]>, host: Option<&[u8]>) {
        let origin = shown(origin);
        let Some(count) = self.origins.add(&origin) else {
            return;
        };
        warn!(
            origin,
            host = shown(host),
            "a page of another origin may not connect; if it is yours, name it by \
             `allowed_origins`, or have the proxy leave `Host` as it is"
        );
        if count == MOST_STRANGERS {
            warn!("many origins have been refused; no more of them are logged");
        }
    }

    /// Logs that the server does not go by a host, once for each.
    pub(crate) fn misdirected(&self, host: Option<&[u8]>) {
        let host = shown(host);
        let Some(count) = self.hosts.add(&host) else {
            return;
        };
        warn!(host, "a request to another host is refused; `allowed_hosts` can name it");
        if count == MOST_STRANGERS {
            warn!("many hosts have been refused; no more of them are logged");
        }
    }
}

/// A header's value, as far as it is to be logged.
fn shown(value: Option<&[u8]>) -> String {
    let Some(value) = value else {
        return "none".to_owned();
    };
    value[..value.len().min(MOST_BYTES)].escape_ascii().to_string()
}

/// An error, with what has caused it.
struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

/// Whom a line is about.
pub(crate) struct Who<'a>(pub(crate) Option<&'a UserId>);

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(user) => user.fmt(f),
            None => f.write_str("(anonymous)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_limit_is_told_of_once_a_minute_with_how_often_it_was_reached() {
        let Reached(reached) = Reached::default();
        let count = |limit| reached.count(limit, ONCE_IN);
        assert_eq!(count("connections"), Some(1));
        for _ in 0..1000 {
            assert_eq!(count("connections"), None);
        }
        assert_eq!(count("anonymous"), Some(1));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(count("connections"), None);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(count("connections"), Some(1002));
        assert_eq!(count("connections"), None);
    }

    #[test]
    fn an_origin_is_told_of_once_and_no_client_fills_the_memory() {
        let strangers = Strangers::default();
        let known = || strangers.origins.0.lock().len();
        for _ in 0..10 {
            strangers.refused(Some(b"https://evil.example"), Some(b"example.com"));
        }
        assert_eq!(known(), 1);
        assert_eq!(strangers.hosts.add("example.com"), Some(1));
        for n in 0..10_000 {
            let origin = format!("https://{n}.example{}", "x".repeat(10_000));
            strangers.refused(Some(origin.as_bytes()), None);
            strangers.misdirected(Some(origin.as_bytes()));
        }
        assert_eq!(known(), MOST_STRANGERS);
        assert_eq!(strangers.hosts.0.lock().len(), MOST_STRANGERS);
        let bytes: usize = strangers.origins.0.lock().iter().map(String::len).sum();
        assert!(bytes <= MOST_STRANGERS * (4 * MOST_BYTES + 5), "{bytes}");
    }

    #[test]
    fn origins_that_somebody_makes_up_do_not_hide_a_host_that_is_refused() {
        let strangers = Strangers::default();
        for n in 0..10_000 {
            strangers.refused(Some(format!("https://{n}.example").as_bytes()), None);
        }
        assert_eq!(strangers.hosts.add("example.com"), Some(1));
    }

    #[test]
    fn what_a_client_has_written_is_told_in_ascii() {
        assert_eq!(shown(Some("a\u{202e}\n\u{1b}[1m".as_bytes())), "a\\xe2\\x80\\xae\\n\\x1b[1m");
        assert_eq!(shown(None), "none");
    }
}
