//! Which groups have presence, what others see of a member, and for how long a lost connection
//! keeps its user present.

pub(crate) mod declared;
pub(crate) mod matcher;
pub(crate) mod part;
pub(crate) mod pattern;
pub(crate) mod problem;
pub(crate) mod resolver;

use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

use serde_json::Value;

use self::{
    declared::{Declaration, DeclaredMatcher, DeclaredPolicy, DeclaredResolver, SourcePlace},
    pattern::Pattern,
    resolver::{ResolveContext, Resolver},
};
use crate::{figures::Declared, name::UserId};

/// How long a lost connection keeps its user present, if the spec does not say.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(3);

/// The longest grace that a spec may ask for.
pub const MAX_GRACE: Duration = Duration::from_secs(600);

/// Which groups have presence, and how. It says in code what `#[presence(..)]` says on a struct.
///
/// A member is shown as `{"id": ..}` and nothing else, unless there is a resolver.
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
/// If several specs match a name, an exact name owns it, then the longest prefix, then the first
/// predicate in the order of the calls.
#[derive(Clone, Debug)]
pub struct PresenceSpec {
    pub(crate) matching: Matching,
    pub(crate) resolver: Resolver,
    /// Who may join, beside the policy for all groups.
    pub(crate) policy: Option<DeclaredPolicy>,
    pub(crate) grace: Duration,
    pub(crate) origin: SpecSource,
    /// Those of its `Realtime`, once it has one.
    pub(crate) figures: Declared,
}

/// Which groups a spec is for.
#[derive(Clone)]
pub(crate) enum Matching {
    Prefixes(Vec<String>),
    Exact(Vec<String>),
    Pattern(Pattern),
    Predicate(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

/// Where a spec was declared. Messages name the place, and predicates are sorted by it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SpecSource {
    Attribute(&'static Declaration),
    Builder(SourcePlace),
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

    /// Presence for every group for which `predicate` returns true.
    ///
    /// It is called once for a group, not for every join. Where a declaration has a policy, it is also
    /// called for each question about a group that is not there yet or that has no presence.
    ///
    /// If it panics, the group has no presence, and an error is logged. Where a declaration has a
    /// policy, nobody may join the group then, because it is not known whose policy decides.
    #[track_caller]
    #[must_use]
    pub fn matching(predicate: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self::built(Matching::Predicate(Arc::new(predicate)))
    }

    /// Sets what others see of a member: exactly the value that `resolver` returns for the user's
    /// id, the same in `presence:sync`, `join` and `leave`.
    ///
    /// The value's `id` may be a number. The client's own id, `me`, is always the text that the
    /// identity resolver returned. A browser holds numbers up to 2^53 exactly, so a greater id
    /// must be a text.
    ///
    /// The resolver is called when a user becomes present, on the thread that serves the request,
    /// so it should answer from memory. If it panics, the member is not shown until it succeeds
    /// for another connection of the same user, and an error is logged.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Fn(&str) -> Value + Send + Sync + 'static) -> Self {
        self.resolver = Resolver::custom(resolver);
        self
    }

    /// Sets what others see of a member, if that must be looked up. One call looks up all users
    /// who have joined, with the application's state
    /// ([`with_state`](crate::RealtimePlugin::with_state)). It replaces a
    /// [`resolver`](Self::resolver).
    ///
    /// A member appears when the call has answered, a moment after the connection. One call runs
    /// at a time, and calls begin at least 25 ms apart. A call that takes longer than
    /// [`resolver_timeout`](crate::Limits::resolver_timeout) goes on, and the next one begins. If
    /// a user is missing in the answer or the call panics, the user is not shown. The resolver is
    /// asked about that user again after one second, two, four and so on, up to 60.
    #[must_use]
    pub fn batch_resolver<F, Fut>(mut self, resolver: F) -> Self
    where
        F: Fn(Vec<UserId>, ResolveContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = HashMap<UserId, Value>> + Send + 'static,
    {
        self.resolver = Resolver::batch(resolver);
        self
    }

    /// Sets how long a lost connection keeps its user present. Default: 3 s. More than ten minutes
    /// is an error of [`build`](crate::RealtimePlugin::build).
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
            policy: None,
            grace: DEFAULT_GRACE,
            origin: SpecSource::Builder(SourcePlace::caller()),
            figures: Declared::default(),
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
            policy: declaration.policy,
            grace: declaration.grace.unwrap_or(DEFAULT_GRACE),
            origin: SpecSource::Attribute(declaration),
            figures: Declared::default(),
        }
    }

    /// Whether `part`, which stands in a name for the field at `i`, is a value of that field.
    fn accepts(&self, i: usize, part: &str) -> bool {
        match self.origin {
            SpecSource::Attribute(declaration) => {
                declaration.fields.get(i).is_none_or(|is| is(part))
            }
            SpecSource::Builder(_) => true,
        }
    }

    /// The declaration as figures name it: by its type, or by its place in the source. It says
    /// nothing of groups.
    pub(crate) fn title(&self) -> String {
        match self.origin {
            SpecSource::Attribute(Declaration { module_path, type_name, .. }) => {
                format!("{module_path}::{type_name}")
            }
            SpecSource::Builder(place) => place.to_string(),
        }
    }

    pub(crate) fn place(&self) -> SourcePlace {
        match self.origin {
            SpecSource::Attribute(declaration) => declaration.place(),
            SpecSource::Builder(place) => place,
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
