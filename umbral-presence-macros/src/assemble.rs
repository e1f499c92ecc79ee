//! Puts the attribute and the struct together into one declaration, and applies the rules.

use syn::{Attribute, Data, DataStruct, DeriveInput, Expr, ExprLit, Fields, Lit, LitStr, Meta};

use crate::{
    args::{Args, Texts},
    diag::Problems,
    model::{Declaration, Matcher, Resolver, Shape, Target, Text},
    pattern::Pattern,
    validate::{self, item, keys, shape, texts},
};

/// Takes every other `#[presence(..)]` off the item, so that none of them is expanded too.
pub(crate) fn take_off_others(item: &mut DeriveInput, problems: &mut Problems) {
    item.attrs.retain(|attribute| {
        let path = match &attribute.meta {
            Meta::Path(path) => path,
            Meta::List(list) => &list.path,
            Meta::NameValue(value) => &value.path,
        };
        let again = path.segments.last().is_some_and(|last| last.ident == "presence");
        if again {
            item::given_once(attribute, problems);
        }
        !again
    });
}

/// The struct, or `None` for an item that is no struct.
pub(crate) fn target<'i>(item: &'i DeriveInput, problems: &mut Problems) -> Option<Target<'i>> {
    let fields = match &item.data {
        Data::Struct(DataStruct { fields, .. }) => fields,
        Data::Enum(other) => {
            item::not_a_struct(&other.enum_token, problems);
            return None;
        }
        Data::Union(other) => {
            item::not_a_struct(&other.union_token, problems);
            return None;
        }
    };
    item::no_generics(item, problems);
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
    Some(Target { ident: &item.ident, visibility: &item.vis, shape, docs: docs(&item.attrs) })
}

/// The declaration, or `None` if anything is wrong with it.
pub(crate) fn declaration<'i>(
    target: &'i Target<'i>,
    args: Args,
    problems: &mut Problems,
) -> Option<Declaration<'i>> {
    let grace = args.grace.and_then(|given| validate::grace::duration(&given.value, problems));
    if let (Some(one), Some(many)) = (&args.resolver, &args.batch_resolver) {
        keys::one_resolver(&one.key, &many.key, problems);
    }
    let matchers = [
        args.prefix.as_ref().map(|given| &given.key),
        args.exact.as_ref().map(|given| &given.key),
        args.pattern.as_ref().map(|given| &given.key),
        args.matching.as_ref().map(|given| &given.key),
    ];
    let is_one = keys::one_matcher(matchers.into_iter().flatten(), target.ident, problems);
    // Each matcher is checked, even if there is one too many.
    if let Some(prefix) = &args.prefix {
        texts::prefixes(&prefix.value, problems);
    }
    if let Some(exact) = &args.exact {
        texts::names(&exact.value, problems);
    }
    let pattern = args.pattern.and_then(|given| pattern(given.value, problems));
    let matcher = match (args.prefix, args.exact, pattern, args.matching) {
        (Some(prefix), ..) => Matcher::Prefixes(texts_of(prefix.value)),
        (_, Some(exact), ..) => Matcher::Exact(texts_of(exact.value)),
        (.., Some(pattern), _) => Matcher::Pattern(pattern),
        (.., Some(matching)) => Matcher::Matching(matching.value),
        _ => return None,
    };
    if is_one {
        shape::fits(target, &matcher, problems);
    }
    let resolver = match (args.resolver, args.batch_resolver) {
        (Some(given), _) => Resolver::Plain(given.value),
        (None, Some(given)) => Resolver::Batch(given.value),
        (None, None) => Resolver::IdOnly,
    };
    let policy = args.policy.map(|given| given.value);
    problems.is_empty().then_some(Declaration { target, matcher, resolver, policy, grace })
}

/// The pattern, or `None` if one of its rules is broken.
fn pattern(source: LitStr, problems: &mut Problems) -> Option<Pattern> {
    use validate::pattern as rules;

    let before = problems.count();
    texts::characters(&source, problems);
    let pattern = Pattern::cut(source).map_err(|error| problems.push(error)).ok()?;
    rules::has_a_placeholder(&pattern, problems);
    rules::begins_with_text(&pattern, problems);
    rules::names_fields(&pattern, problems);
    rules::names_each_once(&pattern, problems);
    rules::can_be_cut(&pattern, problems);
    rules::leaves_room(&pattern, problems);
    (problems.count() == before).then_some(pattern)
}

fn texts_of(texts: Texts) -> Vec<Text> {
    match texts {
        Texts::One(text) => vec![Text::Literal(text)],
        Texts::List { texts, .. } => texts.into_iter().map(Text::Literal).collect(),
        Texts::Const(path) => vec![Text::Constant(path)],
    }
}

/// The doc comment, with one leading space taken off each line. A text that comes from a
/// macro, as in `#[doc = include_str!(..)]`, is not known yet and is left out.
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
