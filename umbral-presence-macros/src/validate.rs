//! The rules, one small function each. What is wrong is reported at its token, with what
//! would be right.

use std::time::Duration;

use syn::{DeriveInput, Ident, LitStr};

use crate::{
    args::Texts,
    diag::Problems,
    model::{Matcher, Pattern, Shape, Target, whole},
};

/// The longest group name, in bytes; the runtime's own limit.
const MAX_NAME_BYTES: usize = 200;

/// The longest grace; the runtime's own limit.
const MAX_GRACE: Duration = Duration::from_secs(600);

/// A group is one name, and a generic struct would be many types of one name.
pub(crate) fn no_generics(item: &DeriveInput, problems: &mut Problems) {
    if !item.generics.params.is_empty() {
        let message = "a group's struct has no generic parameters; name the types of its fields";
        problems.at(&item.generics, message);
    } else if let Some(clause) = &item.generics.where_clause {
        problems.at(clause, "a group's struct has no where clause");
    }
}

/// Exactly one of the keys that say which groups are meant.
pub(crate) fn one_matcher<'a>(
    given: impl Iterator<Item = &'a Ident>,
    target: &Ident,
    problems: &mut Problems,
) {
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
            for key in several {
                problems.at(key, "give one of `prefix`, `exact`, `pattern` and `matching` only");
            }
        }
    }
}

/// The texts of `prefix`.
pub(crate) fn prefixes(texts: &Texts, problems: &mut Problems) {
    not_an_empty_list(texts, "prefix = [\"room:\", \"table:\"]", problems);
    for text in texts.literals() {
        if text.value().is_empty() {
            problems.at(text, "an empty prefix would match every group; write `\"room:\"`, say");
        }
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
    for text in texts.literals() {
        if text.value().is_empty() {
            problems.at(text, "a group's name is not empty; write `\"lobby\"`, say");
        }
        characters(text, problems);
    }
    each_once(texts, problems);
}

fn not_an_empty_list(texts: &Texts, right: &str, problems: &mut Problems) {
    if let Texts::List(bracket, list) = texts
        && list.is_empty()
    {
        let message = format!("an empty list matches no group; write `{right}`");
        problems.at_span(bracket.span.join(), message);
    }
}

fn each_once(texts: &Texts, problems: &mut Problems) {
    let texts = texts.literals();
    for (i, text) in texts.iter().enumerate() {
        if texts[..i].iter().any(|earlier| earlier.value() == text.value()) {
            problems.at(text, format!("{:?} stands in this list twice", text.value()));
        }
    }
}

/// What no group name may hold, the runtime's own rules.
fn characters(text: &LitStr, problems: &mut Problems) {
    let value = text.value();
    if value.len() > MAX_NAME_BYTES {
        let bytes = value.len();
        let message = format!("{bytes} bytes; a group's name has at most {MAX_NAME_BYTES}");
        problems.at(text, message);
    }
    if value.starts_with('@') {
        problems.at(text, "names that start with '@' (byte 0) are the library's own");
    }
    let bad = |c: &char| c.is_whitespace() || c.is_control() || *c == ',';
    if let Some((at, character)) = value.char_indices().find(|(_, c)| bad(c)) {
        let message = format!(
            "{character:?} at byte {at}; a group's name has no whitespace, control character \
             or comma"
        );
        problems.at(text, message);
    }
}

/// Cuts a pattern at its placeholders.
pub(crate) fn pattern(source: LitStr, problems: &mut Problems) -> Option<Pattern> {
    let text = source.value();
    characters(&source, problems);
    let (mut literals, mut fields) = (vec![String::new()], Vec::<String>::new());
    let mut open: Option<(usize, String)> = None;
    for (at, character) in text.char_indices() {
        match (character, &mut open) {
            ('{', None) => open = Some((at, String::new())),
            ('{', Some(_)) => {
                problems.at(&source, format!("'{{' at byte {at} is inside of a placeholder"));
                return None;
            }
            ('}', Some(_)) => {
                let (start, name) = open.take()?;
                if let Some(fault) = placeholder_fault(&name, &fields) {
                    problems.at(&source, format!("the placeholder at byte {start} {fault}"));
                    return None;
                }
                if !fields.is_empty() && literals.last().is_some_and(String::is_empty) {
                    let before = fields.last().map_or("", String::as_str);
                    let message = format!(
                        "nothing stands between `{{{before}}}` and `{{{name}}}`, so a name \
                         could not be cut; write `{{{before}}}:{{{name}}}`, say"
                    );
                    problems.at(&source, message);
                    return None;
                }
                fields.push(name);
                literals.push(String::new());
            }
            ('}', None) => {
                problems.at(&source, format!("'}}' at byte {at} closes no placeholder"));
                return None;
            }
            (character, Some((_, name))) => name.push(character),
            (character, None) => literals.last_mut()?.push(character),
        }
    }
    if let Some((start, _)) = open {
        problems.at(&source, format!("the placeholder at byte {start} is not closed by '}}'"));
        return None;
    }
    if fields.is_empty() {
        let message = format!("{text:?} has no placeholder; write `exact = {text:?}`");
        problems.at(&source, message);
        return None;
    }
    if literals.first().is_some_and(String::is_empty) {
        let message = "a pattern begins with text, so that it does not match every group; \
                       write `\"doc:{id}\"`, say";
        problems.at(&source, message);
        return None;
    }
    Some(Pattern { source, literals, fields })
}

fn placeholder_fault(name: &str, before: &[String]) -> Option<String> {
    if name.is_empty() {
        return Some("has no name; write that of a field, such as `{id}`".to_owned());
    }
    if syn::parse_str::<Ident>(name).is_err() {
        return Some(format!("has the name {name:?}, which no field can have"));
    }
    let twice = before.iter().any(|other| other == name);
    twice.then(|| format!("is `{{{name}}}` for the second time; each field stands there once"))
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
pub(crate) fn shape(target: &Target, matcher: &Matcher, problems: &mut Problems) {
    let name = &target.ident;
    match (&target.shape, matcher) {
        (Shape::Named(fields), Matcher::Pattern(pattern)) => {
            same_fields(fields.iter().map(|(field, _)| field), pattern, problems);
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
        (_, matcher) => {
            let right = match matcher {
                Matcher::Prefixes(_) => format!("struct {name};` or `struct {name}(pub u64);"),
                _ => format!("struct {name};"),
            };
            let message =
                format!("`{name}` has fields that no part of the name is for; write `{right}`");
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
        if !pattern.fields.iter().any(|placeholder| *field == placeholder) {
            problems.at(*field, format!("the pattern has no `{{{field}}}`; add it there"));
        }
    }
    for placeholder in &pattern.fields {
        if !fields.iter().any(|field| *field == placeholder) {
            let message = format!("`{{{placeholder}}}` is no field of the struct; add it there");
            problems.at_span(pattern.source.span(), message);
        }
    }
}
