//! The errors of `build` and of `send`.

use std::fmt;

use crate::{
    limits::LimitProblem,
    name::{InvalidGroupName, InvalidUserId},
    spec::problem::SpecProblem,
    store::Silent,
};

/// Everything that is wrong with a [`RealtimePlugin`](crate::RealtimePlugin).
/// [`build`](crate::RealtimePlugin::build) finds all of it in one go.
pub struct BuildError {
    problems: Vec<BuildProblem>,
}

impl BuildError {
    /// Sorted, so that the message does not depend on the order of linking.
    pub(crate) fn new(problems: Vec<BuildProblem>) -> Self {
        let mut problems = problems;
        problems.sort_by_key(ToString::to_string);
        Self { problems }
    }

    /// One message per problem.
    pub fn messages(&self) -> impl Iterator<Item = String> + '_ {
        self.problems.iter().map(ToString::to_string)
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.problems.as_slice() {
            [problem] => problem.fmt(f),
            problems => {
                write!(f, "{} problems:", problems.len())?;
                problems.iter().try_for_each(|p| write!(f, "\n- {p}"))
            }
        }
    }
}

impl std::error::Error for BuildError {}

/// One thing that is wrong with a plugin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildProblem {
    #[error(transparent)]
    Spec(#[from] SpecProblem),
    #[error(transparent)]
    Limit(#[from] LimitProblem),
    #[error(
        "no declaration for {text:?} is linked into this program; if it is in a dependency that the source never names, `use that_crate as _;` links it"
    )]
    NotDeclared { text: String },
    #[error(
        "the declaration of `{type_name}` is expected and not found: `without_declared` leaves all of them out"
    )]
    NotFound { type_name: &'static str },
    #[error(
        "the base path {path:?} is not usable: it starts with '/', does not end with one, and holds no '{{', '}}', '*', '?', '#', ':' or whitespace; \"/realtime\" is an example"
    )]
    BasePath { path: String },
    #[error(
        "the allowed origin {origin:?} is not an origin: an origin is scheme and host, with the port if it is not the scheme's own, such as \"https://example.com\""
    )]
    AllowedOrigin { origin: String },
    #[error(
        "the allowed origin {origin:?} has a '*', so it would match no page's origin; name each origin in full, such as \"https://app.example.com\""
    )]
    WildcardOrigin { origin: String },
    #[error(
        "the allowed host {host:?} is not a host: a host is a name or an address, with the port if only that one is meant, such as \"example.com\" or \"127.0.0.1:3000\""
    )]
    AllowedHost { host: String },
    #[error(
        "`with_state` is given two values of the type {name}; wrap one of them in a type of its own"
    )]
    State { name: &'static str },
    #[error("`recheck_every` is given an interval of zero; a minute is usual")]
    RecheckInterval,
    #[error(
        "`recheck_headers` is given {name:?}, which is not a header's name; \"x-session\" is an example"
    )]
    RecheckHeader { name: String },
    #[cfg(feature = "redis")]
    #[error(transparent)]
    Redis(#[from] crate::store::redis::RedisProblem),
    #[cfg(feature = "redis")]
    #[error("there is no randomness to name this node with: {error}")]
    Randomness { error: getrandom::Error },
}

/// Why a message was not sent. It has been sent to nobody.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The name of the group is not valid.
    #[error(transparent)]
    Group(#[from] InvalidGroupName),
    /// The user id is not valid.
    #[error(transparent)]
    User(#[from] InvalidUserId),
    /// The event's name is not valid, or is one of the library's own.
    #[error(
        "{0:?} is not an event name for a message: it has 1 to 200 bytes without control characters, and starts neither with \"presence:\" nor with '@', which are the library's own"
    )]
    Event(String),
    /// The data has no JSON form.
    #[error("the data of {event:?} cannot be written as JSON: {source}")]
    Data {
        /// The event that was to be sent.
        event: String,
        /// The error of the serializer.
        source: serde_json::Error,
    },
    /// The message is larger than an outbox.
    #[error(
        "the message has {bytes} bytes, and `Limits::outbox_bytes` lets no more than {most} wait for anybody"
    )]
    TooLarge {
        /// Bytes of the event's data.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// The policy does not let this user send to this group.
    #[error("the policy does not let this user send to {0:?}")]
    Denied(String),
    /// The policy gave no answer. It panicked, returned an error, or took longer than
    /// [`Limits::policy_timeout`](crate::Limits::policy_timeout).
    #[error("the policy gave no answer for {0:?}")]
    Unanswered(String),
}

/// Why something that was to be done on all nodes may not have been done on all.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// The name of the group is not valid. Nothing was done.
    #[error(transparent)]
    Group(#[from] InvalidGroupName),
    /// It was done on this node. Other nodes have not said within two seconds that it was done
    /// there.
    #[error(
        "it was done here, and {} other nodes have not said within 2 s that it was done there",
        nodes.map_or_else(|| "the".to_owned(), |nodes| nodes.to_string())
    )]
    Unreached {
        /// How many they are. `None` where the store between the nodes is out of reach, so that
        /// none of them could be asked.
        nodes: Option<usize>,
    },
}

impl RevokeError {
    /// The error where some nodes were silent.
    pub(crate) fn check(silent: Option<Silent>) -> Result<(), Self> {
        match silent {
            None => Ok(()),
            Some(Silent { nodes }) => Err(Self::Unreached { nodes }),
        }
    }
}

/// `Debug` prints the same sentences as `Display`, because that is how the error of `main` and of
/// an `unwrap` is printed.
macro_rules! debug_in_words {
    ($($error:ty)*) => {$(
        impl fmt::Debug for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}

debug_in_words!(BuildError SendError RevokeError InvalidGroupName InvalidUserId);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::{GroupName, UserId};

    #[test]
    fn an_error_that_main_returns_is_printed_in_words() {
        let problems = || vec![BuildProblem::RecheckInterval, BuildProblem::State { name: "u8" }];
        let build = BuildError::new(problems());
        let group = GroupName::new("a b").unwrap_err();
        let user = UserId::new("").unwrap_err();
        let send = SendError::from(group.clone());
        let words: Vec<String> = [&build as &dyn std::error::Error, &group, &user, &send]
            .map(ToString::to_string)
            .into();
        let printed =
            [format!("{build:?}"), format!("{group:?}"), format!("{user:?}"), format!("{send:?}")];
        assert_eq!(words, printed);
        assert!(
            printed[0].starts_with("2 problems:\n- `recheck_every` is given"),
            "{}",
            printed[0]
        );
        assert!(printed.iter().all(|text| !text.contains('{')), "{printed:?}");
    }
}
