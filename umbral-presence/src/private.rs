//! What the code of `#[presence(..)]` calls. It is not for use by hand, because it changes together
//! with the attribute and without notice.

use std::{
    collections::HashMap,
    fmt::Display,
    future::{Future, ready},
};

pub use inventory;
pub use serde_json::Value;

use crate::{
    access::Decision,
    name::{MAX_GROUP_NAME_BYTES, NameFault},
    spec::{PresenceSpec, matcher::Matcher},
};
pub use crate::{
    name::{Group, GroupName, InvalidGroupName, UserId},
    spec::{
        declared::{
            BatchFuture, Declaration, Declared, DeclaredMatcher, DeclaredResolver, PolicyFuture,
        },
        part::{Field, Part, PartList, part},
        pattern::Pattern,
        resolver::ResolveContext,
    },
};

/// The users of one call of a batch resolver.
pub type Users = Vec<UserId>;

// The user's function is taken as a pointer of any type. The right type implements one of the traits
// below. A wrong type is then refused at its path, with the text of the trait; a bound by `Fn` would
// give a text about `Fn`. The text names the type that is wanted, so the compiler need not recommend
// an implementation.

/// A second type that implements the traits. With a single one the compiler would expect exactly that
/// type, and call another one a mismatch.
#[derive(Debug)]
pub enum Nobody {}

/// A function that can be a `resolver`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no function for `resolver`",
    label = "wants `fn(&str) -> serde_json::Value`",
    note = "an `async fn` is given as `batch_resolver`, which looks up many users in one call"
)]
pub trait PlainResolver<'u> {
    /// Calls it.
    fn call(self, user: &'u str) -> Value;
}

#[diagnostic::do_not_recommend]
impl<'u> PlainResolver<'u> for fn(&'u str) -> Value {
    fn call(self, user: &'u str) -> Value {
        self(user)
    }
}

#[diagnostic::do_not_recommend]
impl PlainResolver<'_> for fn(Nobody) -> Nobody {
    fn call(self, _: &str) -> Value {
        Value::Null
    }
}

/// Calls the user's resolver.
#[must_use]
pub fn resolve<'u, A, R>(resolver: fn(A) -> R, user: &'u str) -> Value
where
    fn(A) -> R: PlainResolver<'u>,
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

/// Calls the user's batch resolver. `Send` is a bound of its own, so that the compiler names the part
/// of the future that is not `Send`.
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

/// A function that can be a `policy`. `How` tells the two forms apart.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no function for `policy`",
    label = "wants `fn(Option<&UserId>, &Group) -> bool` or `async fn(Option<UserId>, Group, ResolveContext) -> bool`",
    note = "`Group` is the struct, or `GroupName` if the struct has no fields",
    note = "either form may answer with `Result<bool, E>` as well, where `E` becomes a `Box<dyn Error + Send + Sync>`: not `Box<dyn Error>`, not `()`"
)]
pub trait Policy<G, How> {
    /// Calls it.
    fn ask(self, user: Option<&UserId>, group: G, context: &ResolveContext) -> PolicyFuture;
}

/// The form that answers at once.
#[derive(Debug)]
pub struct AtOnce<D>(Nobody, D);

/// The form that may wait.
#[derive(Debug)]
pub struct Waiting<F>(Nobody, F);

#[diagnostic::do_not_recommend]
impl<P, G, D> Policy<G, AtOnce<D>> for P
where
    P: Fn(Option<&UserId>, &G) -> D,
    D: Decision,
{
    fn ask(self, user: Option<&UserId>, group: G, _: &ResolveContext) -> PolicyFuture {
        Box::pin(ready(self(user, &group).decide()))
    }
}

#[diagnostic::do_not_recommend]
impl<P, G, F> Policy<G, Waiting<F>> for P
where
    P: Fn(Option<UserId>, G, ResolveContext) -> F,
    F: Future<Output: Decision> + Send + 'static,
{
    fn ask(self, user: Option<&UserId>, group: G, context: &ResolveContext) -> PolicyFuture {
        let answer = self(user.cloned(), group, context.clone());
        Box::pin(async move { answer.await.decide() })
    }
}

/// Asks the user's policy. Nobody may join a group whose name is none of the struct's.
pub fn may_join<P: Policy<G, How>, G, How>(
    policy: P,
    user: Option<&UserId>,
    group: Result<G, InvalidGroupName>,
    context: &ResolveContext,
) -> PolicyFuture {
    match group {
        Ok(group) => policy.ask(user, group, context),
        Err(_) => Box::pin(ready(Ok(false))),
    }
}

/// What a struct declares whose declaration is wrong, which does not compile.
pub const NO_DECLARATION: &Declaration = &Declaration {
    matcher: DeclaredMatcher::Exact(&[]),
    fields: &[],
    resolver: DeclaredResolver::IdOnly,
    policy: None,
    grace: None,
    type_name: "",
    module_path: "",
    docs: "",
    file: "",
    line: 0,
    column: 0,
};

/// Checks a constant that is a prefix or an exact name while the user's crate compiles. A panic in a
/// constant is an error of the compiler at the caller's place. `build()` checks the characters beyond
/// ASCII, which a constant function cannot look up.
///
/// # Panics
///
/// If no group name can begin with this text.
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

/// The name that consists of a prefix and a tail.
///
/// # Errors
///
/// [`InvalidGroupName`] if the two together are not a valid name.
pub fn prefixed(prefix: &str, tail: &dyn Display) -> Result<GroupName, InvalidGroupName> {
    GroupName::new(format!("{prefix}{tail}"))
}

/// The name that consists of a prefix and a value.
///
/// # Errors
///
/// [`InvalidGroupName`] if the two together are not a valid name.
#[inline(never)]
pub fn written<T>(prefix: &str, part: &Part<T>, value: &T) -> Result<GroupName, InvalidGroupName> {
    prefixed(prefix, &part.shown(value))
}

/// The value that stands behind `prefix` in a name.
///
/// # Errors
///
/// [`InvalidGroupName`] if the name is not valid, does not start with `prefix`, or goes on with a text
/// that the value would not write.
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

/// The name that a pattern and the values of its placeholders make.
///
/// # Errors
///
/// [`InvalidGroupName`] if the name is not valid, or if a value could not be read back from it because
/// the value is empty or contains the text that ends its placeholder.
#[inline(never)]
pub fn assembled<P: PartList>(
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

/// The values of the placeholders in a name.
///
/// # Errors
///
/// [`InvalidGroupName`] if the name is not valid, does not match the pattern, or has a part that its
/// value would not write.
#[inline(never)]
pub fn values<P: PartList>(
    name: &str,
    pattern: &Pattern,
    parts: &P,
    expected: &'static str,
) -> Result<P::Values, InvalidGroupName> {
    GroupName::new(name)?;
    let texts = pattern.parts(name);
    texts.and_then(|texts| parts.read(&texts)).ok_or_else(|| foreign(name, expected))
}

/// The error for a name that does not belong to a struct. `expected` says which names do.
#[must_use]
pub fn foreign(name: &str, expected: &'static str) -> InvalidGroupName {
    InvalidGroupName::new(name, NameFault::Family { expected })
}

fn part_fault(name: &str, pattern: &Pattern, i: usize, why: &'static str) -> InvalidGroupName {
    let field = pattern.fields.get(i).copied().unwrap_or_default();
    InvalidGroupName::new(name, NameFault::Part { field, why })
}

/// Finds the declaration that owns a group, for the benchmark of this search.
#[derive(Debug)]
pub struct Owners(Matcher);

impl Owners {
    /// Takes the declarations. `None` if `build` would refuse them.
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
