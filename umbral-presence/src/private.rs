//! What the expansion of `#[presence(..)]` refers to. Not for use by hand: it changes
//! together with the attribute, without notice.

use std::{collections::HashMap, fmt::Display, future::Future};

pub use inventory;
pub use serde_json::Value;

pub use crate::{
    name::{Group, GroupName, InvalidGroupName},
    spec::{
        declared::{BatchFuture, Declaration, DeclaredMatcher, DeclaredResolver},
        part::{Field, Part, Parts, part},
        pattern::Pattern,
        resolver::ResolveContext,
    },
};
use crate::{
    name::{MAX_GROUP_NAME_BYTES, NameFault, UserId},
    spec::{PresenceSpec, matcher::Matcher},
};

/// The users of one call of a batch resolver.
pub type Users = Vec<UserId>;

// The user's functions are taken as pointers of any type, and the traits below are there
// for the right types: a wrong one is then refused at its path with the text that stands
// here, where a bound by `Fn` would speak of `Fn`. None of the implementations is to be
// recommended: the text names the type that is wanted.

/// With a second type that has the trait, the compiler does not take the right one for
/// granted and call another a mismatch.
#[derive(Debug)]
pub enum Nobody {}

/// A function that can be a `resolver`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no function for `resolver`",
    label = "wants `fn(&str) -> serde_json::Value`",
    note = "an `async fn` is given as `batch_resolver`, which looks up many users in one call"
)]
pub trait Resolver<'u> {
    /// Calls it.
    fn call(self, user: &'u str) -> Value;
}

#[diagnostic::do_not_recommend]
impl<'u> Resolver<'u> for fn(&'u str) -> Value {
    fn call(self, user: &'u str) -> Value {
        self(user)
    }
}

#[diagnostic::do_not_recommend]
impl Resolver<'_> for fn(Nobody) -> Nobody {
    fn call(self, _: &str) -> Value {
        Value::Null
    }
}

/// Calls the user's resolver.
#[must_use]
pub fn resolve<'u, A, R>(resolver: fn(A) -> R, user: &'u str) -> Value
where
    fn(A) -> R: Resolver<'u>,
{
    resolver.call(user)
}

/// A function that can be a predicate.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no function for `matching`",
    label = "wants `fn(&str) -> bool`"
)]
pub trait Predicate<'g> {
    /// Calls it.
    fn call(self, group: &'g str) -> bool;
}

#[diagnostic::do_not_recommend]
impl<'g> Predicate<'g> for fn(&'g str) -> bool {
    fn call(self, group: &'g str) -> bool {
        self(group)
    }
}

#[diagnostic::do_not_recommend]
impl Predicate<'_> for fn(Nobody) -> Nobody {
    fn call(self, _: &str) -> bool {
        false
    }
}

/// Calls the user's predicate.
#[must_use]
pub fn matches<'g, A, R>(predicate: fn(A) -> R, group: &'g str) -> bool
where
    fn(A) -> R: Predicate<'g>,
{
    predicate.call(group)
}

/// An asynchronous function that can be a `batch_resolver`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no function for `batch_resolver`",
    label = "wants `async fn(Vec<UserId>, ResolveContext) -> HashMap<UserId, Value>`",
    note = "what has nothing to wait for is given as `resolver`, a plain `fn(&str) -> Value`"
)]
pub trait BatchResolver<F> {
    /// Calls it.
    fn call(self, users: Users, context: ResolveContext) -> BatchFuture
    where
        F: Send + 'static;
}

#[diagnostic::do_not_recommend]
impl<F> BatchResolver<F> for fn(Users, ResolveContext) -> F
where
    F: Future<Output = HashMap<UserId, Value>>,
{
    fn call(self, users: Users, context: ResolveContext) -> BatchFuture
    where
        F: Send + 'static,
    {
        Box::pin(self(users, context))
    }
}

/// Calls the user's batch resolver. That its future is `Send` is a bound by itself: the
/// compiler then names what is not.
#[must_use]
pub fn resolve_batch<A, B, F>(
    resolver: fn(A, B) -> F,
    users: Users,
    context: ResolveContext,
) -> BatchFuture
where
    fn(A, B) -> F: BatchResolver<F>,
    F: Send + 'static,
{
    resolver.call(users, context)
}

/// Checks a constant that is a prefix or an exact name, while the user's crate compiles: a
/// panic in a constant is an error of the compiler at the caller's place. What is refused
/// beyond ASCII is left to `build()`, since a constant function cannot look it up.
///
/// # Panics
///
/// Where no group name can begin like this.
#[track_caller]
pub const fn check(text: &str) {
    let bytes = text.as_bytes();
    assert!(!bytes.is_empty(), "an empty text; write \"room:\", say");
    assert!(bytes.len() <= MAX_GROUP_NAME_BYTES, "a group's name has at most 200 bytes");
    assert!(bytes[0] != b'@', "names that start with '@' are the library's own");
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        let bad = byte.is_ascii_whitespace() || byte.is_ascii_control() || byte == b',';
        assert!(!bad, "a group's name has no whitespace, invisible character or comma");
        at += 1;
    }
}

/// The name of a group that is a prefix and a tail.
///
/// # Errors
///
/// [`InvalidGroupName`] where prefix and tail together are no group name.
pub fn prefixed(prefix: &str, tail: &dyn Display) -> Result<GroupName, InvalidGroupName> {
    GroupName::new(format!("{prefix}{tail}"))
}

/// The name of the group that a value is behind a prefix.
///
/// # Errors
///
/// [`InvalidGroupName`] where the two together are no group name.
#[inline(never)]
pub fn written<T>(prefix: &str, part: &Part<T>, value: &T) -> Result<GroupName, InvalidGroupName> {
    prefixed(prefix, &part.shown(value))
}

/// The value that the rest of a name behind `prefix` stands for.
///
/// # Errors
///
/// [`InvalidGroupName`] where the name is none, does not start with `prefix`, or goes on
/// with another text than the value's own.
#[inline(never)]
pub fn tail<T>(
    name: &str,
    prefix: &str,
    part: &Part<T>,
    expected: &'static str,
) -> Result<T, InvalidGroupName> {
    GroupName::new(name)?;
    let tail = name.strip_prefix(prefix);
    tail.and_then(|tail| part.read(tail)).ok_or_else(|| foreign(name, expected))
}

/// The name that a pattern gives with these values for its placeholders.
///
/// # Errors
///
/// [`InvalidGroupName`] where the whole is no group name, or where a value could not be
/// read back from it: it is empty, or holds the text that ends its placeholder.
#[inline(never)]
pub fn assembled<P: Parts>(
    pattern: &Pattern,
    parts: &P,
    given: P::Given<'_>,
) -> Result<GroupName, InvalidGroupName> {
    let mut values = Vec::with_capacity(pattern.fields.len());
    parts.write(given, &mut values);
    joined(pattern, &values)
}

fn joined(pattern: &Pattern, values: &[String]) -> Result<GroupName, InvalidGroupName> {
    let mut name = String::from(pattern.head());
    for (value, literal) in values.iter().zip(pattern.literals.iter().skip(1)) {
        name.push_str(value);
        name.push_str(literal);
    }
    if let Some(i) = values.iter().position(String::is_empty) {
        return Err(part_fault(&name, pattern, i, "is empty"));
    }
    let read = pattern.parts(&name).unwrap_or_default();
    if let Some(i) = (0..values.len()).find(|&i| read.get(i) != Some(&values[i].as_str())) {
        let why = "holds the text that ends it, so that it could not be read back";
        return Err(part_fault(&name, pattern, i, why));
    }
    GroupName::new(name)
}

/// The values that the parts of a name of the pattern's form stand for.
///
/// # Errors
///
/// [`InvalidGroupName`] where the name is none, does not match, or has another text in it
/// than a value's own.
#[inline(never)]
pub fn values<P: Parts>(
    name: &str,
    pattern: &Pattern,
    parts: &P,
    expected: &'static str,
) -> Result<P::Values, InvalidGroupName> {
    GroupName::new(name)?;
    let texts = pattern.parts(name);
    texts.and_then(|texts| parts.read(&texts)).ok_or_else(|| foreign(name, expected))
}

/// The error for a name that is not in the family `expected` (`"room:…"`).
#[must_use]
pub fn foreign(name: &str, expected: &'static str) -> InvalidGroupName {
    InvalidGroupName::new(name, NameFault::Family { expected })
}

fn part_fault(name: &str, pattern: &Pattern, i: usize, why: &'static str) -> InvalidGroupName {
    let field = pattern.fields.get(i).copied().unwrap_or_default();
    InvalidGroupName::new(name, NameFault::Part { field, why })
}

/// Which declaration owns a group, for the benchmark of that alone.
#[derive(Debug)]
pub struct Owners(Matcher);

impl Owners {
    /// Takes the declarations; `None` where `build` would refuse them.
    #[must_use]
    pub fn new(declarations: Vec<&'static Declaration>) -> Option<Self> {
        let specs = declarations.into_iter().map(PresenceSpec::declared);
        let (matcher, problems) = Matcher::new(specs.collect());
        problems.is_empty().then_some(Self(matcher))
    }

    /// Whether one of them owns the group.
    #[must_use]
    pub fn owns(&self, name: &GroupName) -> bool {
        self.0.owner(name).is_some()
    }
}
