//! The rules, one small function each. What is wrong is reported at its token, with what
//! would be right.

use std::time::Duration;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{DeriveInput, Ident, LitStr, ext::IdentExt};

use crate::{
    args::Texts,
    diag::Problems,
    model::{Matcher, Shape, Target, whole},
    name::{MAX_GRACE, MAX_NAME_BYTES, is_refused, shown},
    pattern::Pattern,
};

/// What else an attribute can stand on, by the keyword.
const OTHER_ITEMS: [&str; 10] =
    ["fn", "trait", "impl", "mod", "const", "static", "type", "use", "extern", "macro_rules"];

/// An item that is not read as a struct: the error is at the keyword that says what it is.
pub(crate) fn not_an_item(item: &TokenStream, error: syn::Error, problems: &mut Problems) {
    let keyword = item.clone().into_iter().find(|token| match token {
        TokenTree::Ident(ident) => OTHER_ITEMS.iter().any(|other| ident == other),
        _ => false,
    });
    match keyword {
        Some(keyword) => not_a_struct(&keyword, problems).unwrap_or_default(),
        None => problems.push(error),
    }
}

/// `keyword` begins something that cannot stand for a group.
pub(crate) fn not_a_struct<T>(keyword: &impl ToTokens, problems: &mut Problems) -> Option<T> {
    let found = keyword.to_token_stream();
    let message = format!(
        "`#[presence(..)]` goes on a struct, which names the group, and not on `{found}`; write \
         `struct Room;`, say"
    );
    problems.at(keyword, message);
    None
}

/// A group is one name, and a generic struct would be many types of one name.
pub(crate) fn no_generics(item: &DeriveInput, problems: &mut Problems) {
    if !item.generics.params.is_empty() {
        let message = "a group's struct has no generic parameters; name the types of its fields";
        problems.at(&item.generics, message);
    } else if let Some(clause) = &item.generics.where_clause {
        problems.at(clause, "a group's struct has no where clause; leave it out");
    }
}

/// Exactly one of the keys that say which groups are meant; says whether it is one.
pub(crate) fn one_matcher<'a>(
    given: impl Iterator<Item = &'a Ident>,
    target: &Ident,
    problems: &mut Problems,
) -> bool {
    let given: Vec<_> = given.collect();
    match given.as_slice() {
        [] if problems.is_empty() => {
            let message = format!(
                "which groups is `{target}` for? Give one of `prefix = \"room:\"`, \
                 `exact = \"lobby\"`, `pattern = \"doc:{{id}}\"` or `matching = a_function`"
            );
            problems.at_span(whole(), message);
        }
        [] | [_] => {}
        several => {
            let names = several.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>();
            let names = names.join(" and ");
            for key in several {
                problems.at(key, format!("{names} are given; give one of them only"));
            }
        }
    }
    given.len() == 1
}

/// A member is shown in one way.
pub(crate) fn one_resolver(one: &Ident, many: &Ident, problems: &mut Problems) {
    for key in [one, many] {
        problems.at(key, format!("`{one}` and `{many}` are given; give one of them only"));
    }
}

/// The texts of `prefix`.
pub(crate) fn prefixes(texts: &Texts, problems: &mut Problems) {
    not_an_empty_list(texts, "prefix = [\"room:\", \"table:\"]", problems);
    texts_only(texts, problems);
    for text in texts.literals() {
        if text.value().is_empty() {
            problems.at(text, "an empty prefix would match every group; write `\"room:\"`, say");
        }
        length(text.value().len(), text, problems);
        characters(text, problems);
    }
    each_once(texts, problems);
    for text in texts.literals() {
        let (longer, literals) = (text.value(), texts.literals());
        let covered = |other: &&LitStr| {
            let shorter = other.value();
            !shorter.is_empty() && shorter != longer && longer.starts_with(&shorter)
        };
        if let Some(shorter) = literals.iter().find(covered) {
            let shorter = shorter.value();
            problems.at(text, format!("{longer:?} is covered by {shorter:?}; leave it out"));
        }
    }
}

/// The texts of `exact`.
pub(crate) fn names(texts: &Texts, problems: &mut Problems) {
    not_an_empty_list(texts, "exact = [\"lobby\", \"hall\"]", problems);
    texts_only(texts, problems);
    for text in texts.literals() {
        if text.value().is_empty() {
            problems.at(text, "a group's name is not empty; write `\"lobby\"`, say");
        }
        length(text.value().len(), text, problems);
        characters(text, problems);
    }
    each_once(texts, problems);
}

fn not_an_empty_list(texts: &Texts, right: &str, problems: &mut Problems) {
    if let Texts::List { bracket, texts, strays } = texts
        && texts.is_empty()
        && strays.is_empty()
    {
        let message = format!("an empty list matches no group; write `{right}`");
        problems.at_span(bracket.span.join(), message);
    }
}

/// A list holds texts in quotes, nothing else.
fn texts_only(texts: &Texts, problems: &mut Problems) {
    if let Texts::List { strays, .. } = texts {
        for stray in strays {
            problems.at(stray, format!("`{stray}` is no text in quotes; write `\"room:\"`, say"));
        }
    }
}

fn each_once(texts: &Texts, problems: &mut Problems) {
    let texts = texts.literals();
    for (i, text) in texts.iter().enumerate() {
        if texts[..i].iter().any(|earlier| earlier.value() == text.value()) {
            problems
                .at(text, format!("{:?} stands in this list twice; leave one out", text.value()));
        }
    }
}

/// The length of the shortest name that `text` stands for.
pub(crate) fn length(bytes: usize, text: &LitStr, problems: &mut Problems) {
    if bytes > MAX_NAME_BYTES {
        let message = format!("{bytes} bytes; a group's name has at most {MAX_NAME_BYTES}");
        problems.at(text, message);
    }
}

/// What no group name may hold, the runtime's own rules.
pub(crate) fn characters(text: &LitStr, problems: &mut Problems) {
    let value = text.value();
    if value.starts_with('@') {
        let right = value.trim_start_matches('@');
        let message = format!(
            "'@' at byte 0; names that start with it are the library's own: write {right:?}, say"
        );
        problems.at(text, message);
    }
    if let Some((at, character)) = value.char_indices().find(|(_, c)| is_refused(*c)) {
        let right = value.replace(is_refused, "-");
        let message = format!(
            "{} at byte {at}; a group's name has no whitespace, invisible character or comma: \
             write {right:?}, say",
            shown(character)
        );
        problems.at(text, message);
    }
}

/// A duration: digits and a unit.
pub(crate) fn grace(text: &LitStr, problems: &mut Problems) -> Option<Duration> {
    let value = text.value();
    let unit = value.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = &value[..value.len() - unit.len()];
    let count = digits.parse::<u64>().ok();
    let duration = match (count, unit) {
        (Some(count), "ms") => Some(Duration::from_millis(count)),
        (Some(count), "s") => Some(Duration::from_secs(count)),
        (Some(count), "m") => count.checked_mul(60).map(Duration::from_secs),
        _ => None,
    };
    let fault = match (duration, unit) {
        (Some(duration), _) if duration > MAX_GRACE => "is over ten minutes",
        (Some(duration), _) => return Some(duration),
        (None, "") if count.is_some() => "has no unit",
        (None, unit) if unit.starts_with('-') => "is negative",
        _ => "is not a duration",
    };
    let message =
        format!("{value:?} {fault}; write `\"500ms\"`, `\"2s\"` or `\"1m\"`, at most `\"10m\"`");
    problems.at(text, message);
    None
}

/// Whether the struct's form fits what it stands for.
pub(crate) fn shape(target: &Target<'_>, matcher: &Matcher, problems: &mut Problems) {
    let name = &target.ident;
    match (&target.shape, matcher) {
        (Shape::Named(fields), Matcher::Pattern(pattern)) => {
            same_fields(fields.iter().map(|(field, _)| *field), pattern, problems);
        }
        (Shape::Unit, Matcher::Prefixes(_) | Matcher::Exact(_) | Matcher::Matching(_)) => {}
        (Shape::Tuple(fields), Matcher::Prefixes(prefixes)) => {
            if fields.len() != 1 {
                let message = format!(
                    "`{name}` has {} fields, and a name with a prefix has one part; write \
                     `struct {name}(pub u64);`, or named fields with `pattern`",
                    fields.len()
                );
                problems.at(name, message);
            }
            if prefixes.len() > 1 {
                let message = format!(
                    "`{name}` would have {} names for one value; give one prefix, or write \
                     `struct {name};`",
                    prefixes.len()
                );
                problems.at(name, message);
            }
        }
        (_, Matcher::Pattern(pattern)) => {
            let fields: Vec<_> =
                pattern.fields.iter().map(|field| format!("{field}: ..")).collect();
            let fields = fields.join(", ");
            let message = format!(
                "a pattern's placeholders are named fields; write `struct {name} {{ {fields} }}`"
            );
            problems.at(name, message);
        }
        (Shape::Named(fields), Matcher::Prefixes(_)) => {
            let fields: Vec<_> =
                fields.iter().map(|(field, _)| format!("{{{}}}", field.unraw())).collect();
            let fields = fields.join(":");
            let message = format!(
                "named fields are the placeholders of a pattern; write `struct {name}(pub u64);`, \
                 or `pattern = \"room:{fields}\"`"
            );
            problems.at(name, message);
        }
        (_, matcher) => {
            let right = match matcher {
                Matcher::Prefixes(_) => format!("struct {name};` or `struct {name}(pub u64);"),
                _ => format!("struct {name};"),
            };
            let message = format!("no part of such a name is a field of `{name}`; write `{right}`");
            problems.at(name, message);
        }
    }
}

fn same_fields<'a>(
    fields: impl Iterator<Item = &'a Ident>,
    pattern: &Pattern,
    problems: &mut Problems,
) {
    let fields: Vec<_> = fields.collect();
    for field in &fields {
        let plain = field.unraw().to_string();
        if !pattern.fields.contains(&plain) {
            problems.at(*field, format!("the pattern has no `{{{plain}}}`; add it there"));
        }
    }
    for placeholder in &pattern.fields {
        if !fields.iter().any(|field| field.unraw() == placeholder) {
            let message = format!("`{{{placeholder}}}` is no field of the struct; add it there");
            problems.at(&pattern.source, message);
        }
    }
}
