//! The attribute and the struct together: one declaration.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::{
    Attribute, Data, DataStruct, DeriveInput, Expr, ExprLit, Fields, Ident, Lit, Meta, Path, Type,
    Visibility,
};

use crate::{
    args::{Args, Texts},
    diag::Problems,
    pattern::Pattern,
    validate,
};

/// What the expansion is made of.
pub(crate) struct Declaration<'i> {
    pub(crate) target: Target<'i>,
    pub(crate) matcher: Matcher,
    /// The path of the constant that the matcher's one text is.
    pub(crate) constant: Option<TokenStream>,
    pub(crate) resolver: Resolver,
    pub(crate) grace: Option<Duration>,
}

/// The struct that is annotated.
pub(crate) struct Target<'i> {
    pub(crate) ident: &'i Ident,
    pub(crate) visibility: &'i Visibility,
    pub(crate) shape: Shape<'i>,
    pub(crate) docs: String,
}

pub(crate) enum Shape<'i> {
    Unit,
    Tuple(Vec<&'i Type>),
    Named(Vec<(&'i Ident, &'i Type)>),
}

pub(crate) enum Matcher {
    /// The texts as expressions: literals, or [`CONSTANT`].
    Prefixes(Vec<TokenStream>),
    Exact(Vec<TokenStream>),
    Pattern(Pattern),
    Matching(Path),
}

/// Paths to the functions that say what is shown of a member.
pub(crate) enum Resolver {
    IdOnly,
    Plain(Path),
    Batch(Path),
}

impl<'i> Target<'i> {
    /// The struct, where it is one that can stand for a group.
    pub(crate) fn read(item: &'i DeriveInput, problems: &mut Problems) -> Option<Self> {
        let fields = match &item.data {
            Data::Struct(DataStruct { fields, .. }) => fields,
            Data::Enum(other) => return validate::not_a_struct(&other.enum_token, problems),
            Data::Union(other) => return validate::not_a_struct(&other.union_token, problems),
        };
        validate::no_generics(item, problems);
        let shape = match fields {
            Fields::Unit => Shape::Unit,
            Fields::Unnamed(fields) => {
                Shape::Tuple(fields.unnamed.iter().map(|field| &field.ty).collect())
            }
            Fields::Named(fields) => {
                let named = fields.named.iter();
                Shape::Named(named.filter_map(|f| Some((f.ident.as_ref()?, &f.ty))).collect())
            }
        };
        Some(Self { ident: &item.ident, visibility: &item.vis, shape, docs: docs(&item.attrs) })
    }
}

impl<'i> Declaration<'i> {
    /// Puts the two together; `None` where something is wrong.
    pub(crate) fn new(target: Target<'i>, args: Args, problems: &mut Problems) -> Option<Self> {
        let grace = args.grace.and_then(|grace| validate::grace(&grace.value, problems));
        if let (Some(one), Some(many)) = (&args.resolver, &args.batch_resolver) {
            validate::one_resolver(&one.key, &many.key, problems);
        }
        let matchers = [
            args.prefix.as_ref().map(|given| &given.key),
            args.exact.as_ref().map(|given| &given.key),
            args.pattern.as_ref().map(|given| &given.key),
            args.matching.as_ref().map(|given| &given.key),
        ];
        let is_one = validate::one_matcher(matchers.into_iter().flatten(), target.ident, problems);
        if let Some(prefix) = &args.prefix {
            validate::prefixes(&prefix.value, problems);
        }
        if let Some(exact) = &args.exact {
            validate::names(&exact.value, problems);
        }
        let pattern = args.pattern.and_then(|given| Pattern::read(given.value, problems));
        let texts = args.prefix.as_ref().or(args.exact.as_ref());
        let constant = texts.and_then(|given| match &given.value {
            Texts::Const(path) => Some(path.to_token_stream()),
            _ => None,
        });
        let matcher = match (args.prefix, args.exact, pattern, args.matching) {
            (Some(prefix), ..) => Matcher::Prefixes(expressions(&prefix.value)),
            (_, Some(exact), ..) => Matcher::Exact(expressions(&exact.value)),
            (.., Some(pattern), _) => Matcher::Pattern(pattern),
            (.., Some(matching)) => Matcher::Matching(matching.value),
            _ => return None,
        };
        if is_one {
            validate::shape(&target, &matcher, problems);
        }
        problems.is_empty().then(|| Self {
            target,
            matcher,
            constant,
            resolver: match (args.resolver, args.batch_resolver) {
                (Some(given), _) => Resolver::Plain(given.value),
                (None, Some(given)) => Resolver::Batch(given.value),
                (None, None) => Resolver::IdOnly,
            },
            grace,
        })
    }
}

/// What the expansion calls the user's constant. It is named once only, where its type
/// stands, so that one of another type is one error.
pub(crate) const CONSTANT: &str = "__TEXT";

fn expressions(texts: &Texts) -> Vec<TokenStream> {
    match texts {
        Texts::Const(_) => vec![format_ident!("{CONSTANT}").into_token_stream()],
        texts => texts.literals().iter().map(ToTokens::to_token_stream).collect(),
    }
}

/// The runtime crate, as the user's crate calls it.
pub(crate) fn runtime(args: &Args) -> TokenStream {
    match &args.runtime {
        Some(path) => path.value.to_token_stream(),
        None => quote!(::umbral_presence),
    }
}

/// The doc comment, one leading space of each line taken off. Text that a macro gives
/// (`#[doc = include_str!(..)]`) is not there yet, and left out.
fn docs(attributes: &[Attribute]) -> String {
    let line = |attribute: &Attribute| {
        let Meta::NameValue(doc) = &attribute.meta else {
            return None;
        };
        match &doc.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if doc.path.is_ident("doc") => {
                let text = text.value();
                let lines = text.split('\n').map(|line| line.strip_prefix(' ').unwrap_or(line));
                Some(lines.collect::<Vec<_>>().join("\n"))
            }
            _ => None,
        }
    };
    attributes.iter().filter_map(line).collect::<Vec<_>>().join("\n")
}

/// Where the attribute stands, for errors that concern all of it.
pub(crate) fn whole() -> Span {
    Span::call_site()
}
