//! Which groups have presence, what is shown of a member, and for how long a lost
//! connection counts.

pub(crate) mod declared;
pub(crate) mod matcher;
pub(crate) mod part;
pub(crate) mod pattern;
pub(crate) mod problem;
pub(crate) mod resolver;

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use serde_json::Value;

use self::{
    declared::{Declaration, DeclaredMatcher, DeclaredResolver, Place},
    pattern::Pattern,
    resolver::{ResolveContext, Resolver},
};
use crate::user::UserId;

/// How long a lost connection keeps its user present, unless the spec says otherwise.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(3);

/// The longest grace that a spec may ask for.
pub const MAX_GRACE: Duration = Duration::from_secs(600);

/// Which groups have presence, and how: the builder's form of `#[presence(..)]`.
///
/// A member is shown as `{"id": ..}` and nothing else, unless a resolver says otherwise.
///
/// ```
/// use std::time::Duration;
/// use serde_json::json;
/// use umbral_presence::PresenceSpec;
///
/// let rooms = PresenceSpec::prefixes(["room:", "table:"])
///     .resolver(|id| json!({ "id": id, "name": format!("User {id}") }))
///     .grace(Duration::from_secs(5));
/// # let _ = rooms;
/// ```
///
/// Where several specs fit a name, an exact name comes first, then the longest prefix,
/// then predicates in the order in which they were given.
#[derive(Clone, Debug)]
pub struct PresenceSpec {
    pub(crate) matching: Matching,
    pub(crate) resolver: Resolver,
    pub(crate) grace: Duration,
    pub(crate) origin: Origin,
}

/// Which groups a spec is for.
#[derive(Clone)]
pub(crate) enum Matching {
    Prefixes(Vec<String>),
    Exact(Vec<String>),
    Pattern(Pattern),
    Predicate(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

/// Where a spec comes from, for messages and for the order of predicates.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    Declared(&'static Declaration),
    Builder(Place),
}

impl PresenceSpec {
    /// Presence for every group whose name starts with one of `prefixes`.
    #[track_caller]
    #[must_use]
    pub fn prefixes<P: Into<String>>(prefixes: impl IntoIterator<Item = P>) -> Self {
        Self::built(Matching::Prefixes(prefixes.into_iter().map(Into::into).collect()))
    }

    /// Presence for exactly these groups.
    #[track_caller]
    #[must_use]
    pub fn exact<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Self::built(Matching::Exact(names.into_iter().map(Into::into).collect()))
    }

    /// Presence for every group for which `predicate` says yes.
    ///
    /// It is asked once per group, not per join. Should it panic, the group has no
    /// presence and an error is logged.
    #[track_caller]
    #[must_use]
    pub fn matching(predicate: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self::built(Matching::Predicate(Arc::new(predicate)))
    }

    /// What is broadcast of a member, from the user's id: exactly this value, in
    /// `presence:sync`, `join` and `leave` alike.
    ///
    /// The value's `id` may be a number, where the client's own id, `me`, is always the text that the
    /// identity resolver gave. A browser holds numbers up to 2^53 exactly; greater ids are texts.
    ///
    /// It is called when a user becomes present, on the thread that serves the request,
    /// so it should answer from memory. Should it panic, the member is not shown until
    /// it succeeds for another connection of that user, and an error is logged.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Fn(&str) -> Value + Send + Sync + 'static) -> Self {
        self.resolver = Resolver::custom(resolver);
        self
    }

    /// What is broadcast of a member, where it must be looked up: one call for all users who
    /// have come, with the application's state at hand
    /// ([`with_state`](crate::RealtimePlugin::with_state)).
    ///
    /// A member appears when the call has answered, so others may see the join a moment
    /// after the connection. One call runs at a time, and calls begin at least 25 ms apart;
    /// one that takes longer than [`resolver_timeout`](crate::Limits::resolver_timeout) goes
    /// on without holding up the next. A user who is missing in the answer, or whose call
    /// panicked, is not shown and asked for again after one second, two, four, up to 60. It
    /// takes the place of a [`resolver`](Self::resolver).
    #[must_use]
    pub fn batch_resolver<F, Fut>(mut self, resolver: F) -> Self
    where
        F: Fn(Vec<UserId>, ResolveContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = HashMap<UserId, Value>> + Send + 'static,
    {
        self.resolver = Resolver::batch(resolver);
        self
    }

    /// How long a lost connection keeps its user present: 3 s by default, at most ten
    /// minutes (more is an error of [`build`](crate::RealtimePlugin::build)).
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    #[track_caller]
    fn built(matching: Matching) -> Self {
        Self {
            matching,
            resolver: Resolver::IdOnly,
            grace: DEFAULT_GRACE,
            origin: Origin::Builder(Place::caller()),
        }
    }

    /// The spec that a declaration stands for.
    pub(crate) fn declared(declaration: &'static Declaration) -> Self {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Self {
            matching: match declaration.matcher {
                DeclaredMatcher::Prefixes(prefixes) => Matching::Prefixes(owned(prefixes)),
                DeclaredMatcher::Exact(names) => Matching::Exact(owned(names)),
                DeclaredMatcher::Pattern(pattern) => Matching::Pattern(pattern),
                DeclaredMatcher::Matching(predicate) => Matching::Predicate(Arc::new(predicate)),
            },
            resolver: match declaration.resolver {
                DeclaredResolver::IdOnly => Resolver::IdOnly,
                DeclaredResolver::Plain(resolver) => Resolver::custom(resolver),
                DeclaredResolver::Batch(resolver) => Resolver::batch(resolver),
            },
            grace: declaration.grace.unwrap_or(DEFAULT_GRACE),
            origin: Origin::Declared(declaration),
        }
    }

    /// Whether the part of a name that stands for the field at `i` is a value of it.
    fn accepts(&self, i: usize, part: &str) -> bool {
        match self.origin {
            Origin::Declared(declaration) => declaration.fields.get(i).is_none_or(|is| is(part)),
            Origin::Builder(_) => true,
        }
    }

    pub(crate) fn place(&self) -> Place {
        match self.origin {
            Origin::Declared(declaration) => declaration.place(),
            Origin::Builder(place) => place,
        }
    }
}

impl std::fmt::Debug for Matching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Prefixes(prefixes) => write!(f, "prefixes {prefixes:?}"),
            Self::Exact(names) => write!(f, "exact {names:?}"),
            Self::Pattern(pattern) => write!(f, "pattern {:?}", pattern.source),
            Self::Predicate(_) => f.write_str("a predicate"),
        }
    }
}
