//! The rules of patterns.

use syn::{Ident, ext::IdentExt, parse::Parser};

use super::texts;
use crate::{diag::Problems, pattern::Pattern};

pub(crate) fn has_a_placeholder(pattern: &Pattern, problems: &mut Problems) {
    let text = pattern.source.value();
    if text.is_empty() {
        problems.at(&pattern.source, "an empty pattern names no group; write `\"doc:{id}\"`, say");
    } else if pattern.fields.is_empty() {
        let message = format!("{text:?} has no placeholder; write `exact = {text:?}`");
        problems.at(&pattern.source, message);
    }
}

pub(crate) fn begins_with_text(pattern: &Pattern, problems: &mut Problems) {
    if let ([head, ..], [field, ..]) = (&pattern.literals[..], &pattern.fields[..])
        && head.is_empty()
    {
        let message = format!(
            "a pattern begins with text, so that it does not match every group; write \
             `\"doc:{{{field}}}\"`, say"
        );
        problems.at(&pattern.source, message);
    }
}

pub(crate) fn names_fields(pattern: &Pattern, problems: &mut Problems) {
    for name in &pattern.fields {
        if name.is_empty() {
            let message = "a placeholder has no name; write that of a field, such as `{id}`";
            problems.at(&pattern.source, message);
        } else if let Some(plain) = name.strip_prefix("r#") {
            let message = format!("`{{{name}}}` is written without `r#`: `{{{plain}}}`");
            problems.at(&pattern.source, message);
        } else if !is_field_name(name) {
            let message = format!(
                "`{{{name}}}` is not the name of a field; a placeholder is that alone, such \
                 as `{{id}}`"
            );
            problems.at(&pattern.source, message);
        }
    }
}

pub(crate) fn names_each_once(pattern: &Pattern, problems: &mut Problems) {
    for (i, name) in pattern.fields.iter().enumerate() {
        let again = !name.is_empty() && pattern.fields[..i].contains(name);
        if again {
            let message = format!("`{{{name}}}` stands here twice; name each field once");
            problems.at(&pattern.source, message);
        }
    }
}

/// A name shows where one part ends and the next one begins.
pub(crate) fn can_be_cut(pattern: &Pattern, problems: &mut Problems) {
    for (pair, between) in pattern.fields.windows(2).zip(pattern.literals.iter().skip(1)) {
        if let ([a, b], true) = (pair, between.is_empty()) {
            let message = format!(
                "nothing stands between `{{{a}}}` and `{{{b}}}`, so a name could not be cut; \
                 write `{{{a}}}:{{{b}}}`, say"
            );
            problems.at(&pattern.source, message);
        }
    }
}

/// The shortest name of the pattern is not too long. Each of its parts has one byte.
pub(crate) fn leaves_room(pattern: &Pattern, problems: &mut Problems) {
    let least = pattern.literals.iter().map(String::len).sum::<usize>() + pattern.fields.len();
    texts::length(least, &pattern.source, problems);
}

/// A keyword is the name of a field too: `{type}` stands for the field `r#type`.
fn is_field_name(name: &str) -> bool {
    // Other characters would make the compiler's lexer report an error of its own.
    let may_be = name.chars().all(|c| c == '_' || c.is_alphanumeric());
    may_be && name != "_" && Ident::parse_any.parse_str(name).is_ok()
}
