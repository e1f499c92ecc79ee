//! What a declaration is: a struct, the groups that it stands for, and how their members
//! are shown.

use std::time::Duration;

use syn::{Ident, LitStr, Path, Type, Visibility};

use crate::pattern::Pattern;

/// Everything that the expansion is made of. It exists only after every rule has held.
pub(crate) struct Declaration<'i> {
    pub(crate) target: &'i Target<'i>,
    pub(crate) matcher: Matcher,
    pub(crate) resolver: Resolver,
    /// The path of a function of the user, which says who may join.
    pub(crate) policy: Option<Path>,
    pub(crate) grace: Option<Duration>,
}

/// The struct that carries the attribute.
pub(crate) struct Target<'i> {
    pub(crate) ident: &'i Ident,
    pub(crate) visibility: &'i Visibility,
    pub(crate) shape: Shape<'i>,
    pub(crate) docs: String,
}

/// The fields of the struct.
pub(crate) enum Shape<'i> {
    Unit,
    Tuple(Vec<&'i Type>),
    Named(Vec<(&'i Ident, &'i Type)>),
}

/// Which groups the struct stands for.
pub(crate) enum Matcher {
    Prefixes(Vec<Text>),
    Exact(Vec<Text>),
    Pattern(Pattern),
    Matching(Path),
}

/// A prefix or an exact name.
pub(crate) enum Text {
    Literal(LitStr),
    /// The path of a `const &str`, whose text is not known here.
    Constant(Path),
}

/// What is shown of a member. The paths name functions of the user.
pub(crate) enum Resolver {
    IdOnly,
    Plain(Path),
    Batch(Path),
}
