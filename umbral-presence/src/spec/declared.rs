//! The declarations that `#[presence(..)]` leaves in the binary.

use std::{collections::HashMap, error::Error, fmt, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{pattern::Pattern, resolver::ResolveContext};
use crate::name::{GroupName, UserId};

/// One `#[presence(..)]` declaration, as the attribute submits it at link time.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    /// Which groups have presence by it.
    pub matcher: DeclaredMatcher,
    /// One function for each field of the struct. It says whether a text is a value of the field.
    /// A name with another text in its place does not belong to the struct.
    pub fields: &'static [fn(&str) -> bool],
    /// What others see of a member.
    pub resolver: DeclaredResolver,
    /// Who may join. Where the application has a policy for all groups too, both must agree.
    pub policy: Option<DeclaredPolicy>,
    /// How long a lost connection keeps its user present. `None` stands for
    /// [`DEFAULT_GRACE`](crate::DEFAULT_GRACE).
    pub grace: Option<Duration>,
    /// The name of the annotated struct.
    pub type_name: &'static str,
    /// The module of the struct.
    pub module_path: &'static str,
    /// The struct's doc comment.
    pub docs: &'static str,
    /// The file of the attribute.
    pub file: &'static str,
    /// The line of the attribute, from 1.
    pub line: u32,
    /// The column of the attribute, from 1.
    pub column: u32,
}

/// Which groups a declaration gives presence to.
#[derive(Clone, Copy, Debug)]
pub enum DeclaredMatcher {
    /// Names that start with one of these.
    Prefixes(&'static [&'static str]),
    /// Exactly these names.
    Exact(&'static [&'static str]),
    /// Names of this form.
    Pattern(Pattern),
    /// Names for which the function returns true.
    Matching(fn(&str) -> bool),
}

/// What others see of a member of a declared group.
#[derive(Clone, Copy, Debug)]
pub enum DeclaredResolver {
    /// `{"id": ..}`.
    IdOnly,
    /// What the function returns for one user.
    Plain(fn(&str) -> Value),
    /// What the function returns for many users in one call.
    Batch(fn(Vec<UserId>, ResolveContext) -> BatchFuture),
}

/// The answer that a batch resolver will give.
pub type BatchFuture = BoxFuture<'static, HashMap<UserId, Value>>;

/// Says whether a user, or an anonymous visitor, may join a group of the declaration.
pub type DeclaredPolicy = fn(Option<&UserId>, &GroupName, &ResolveContext) -> PolicyFuture;

/// The answer that a policy will give. An error stands for no answer.
pub type PolicyFuture = BoxFuture<'static, Result<bool, Arc<dyn Error + Send + Sync>>>;

/// A struct with `#[presence(..)]`.
///
/// ```standalone_crate
/// use umbral_presence::{Declared, presence};
///
/// /// The people in a chat room.
/// #[presence(prefix = "room:")]
/// pub struct Room(pub u64);
///
/// assert_eq!(Room::DECLARATION.docs, "The people in a chat room.");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` declares no presence",
    label = "this has no `#[presence(..)]`"
)]
pub trait Declared {
    /// What the attribute says.
    const DECLARATION: &'static Declaration;
}

impl Declaration {
    /// Where the attribute stands.
    pub(crate) fn place(&self) -> SourcePlace {
        SourcePlace { file: self.file, line: self.line, column: self.column }
    }
}

inventory::collect!(Declaration);

/// Every `#[presence(..)]` declaration that is linked into this binary. They are sorted by module
/// path and line, because the order of linking is not specified.
///
/// A dependency that is listed in `Cargo.toml` but never named in the source is not linked, and
/// its declarations are missing here. `use that_crate as _;` links it.
///
/// ```standalone_crate
/// use umbral_presence::{declared, presence};
///
/// /// The people in a chat room.
/// #[presence(prefix = "room:")]
/// pub struct Room(pub u64);
///
/// let names: Vec<_> = declared().iter().map(|d| d.type_name).collect();
/// assert_eq!(names, ["Room"]);
/// ```
#[must_use]
pub fn declared() -> Vec<&'static Declaration> {
    let mut all: Vec<_> = inventory::iter::<Declaration>.into_iter().collect();
    all.sort_by_key(|d| (d.module_path, d.line, d.column, d.file));
    all
}

/// A place in the source of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SourcePlace {
    file: &'static str,
    line: u32,
    column: u32,
}

impl SourcePlace {
    /// The place of the caller that is marked with `#[track_caller]`.
    #[track_caller]
    pub(crate) fn caller() -> Self {
        let caller = std::panic::Location::caller();
        Self { file: caller.file(), line: caller.line(), column: caller.column() }
    }
}

impl fmt::Display for SourcePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}
