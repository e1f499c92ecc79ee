//! The rules of which struct fits which matcher.

use syn::{Ident, Type, ext::IdentExt};

use crate::{
    diag::Problems,
    model::{Matcher, Shape, Target, Text},
    pattern::Pattern,
};

/// The struct's fields are the parts of a name, one field for each part.
pub(crate) fn fits(target: &Target<'_>, matcher: &Matcher, problems: &mut Problems) {
    let name = target.ident;
    match (&target.shape, matcher) {
        (Shape::Unit, Matcher::Prefixes(_) | Matcher::Exact(_) | Matcher::Matching(_)) => {}
        (Shape::Tuple(fields), Matcher::Prefixes(prefixes)) => {
            one_field(name, fields, problems);
            one_prefix(name, prefixes, problems);
        }
        (Shape::Named(fields), Matcher::Pattern(pattern)) => {
            let fields: Vec<_> = fields.iter().map(|(field, _)| *field).collect();
            every_field_is_a_placeholder(&fields, pattern, problems);
            every_placeholder_is_a_field(&fields, pattern, problems);
        }
        (_, Matcher::Pattern(pattern)) => named_fields(name, pattern, problems),
        (Shape::Named(fields), Matcher::Prefixes(_)) => no_named_fields(name, fields, problems),
        (_, matcher) => no_fields(name, matcher, problems),
    }
}

fn one_field(name: &Ident, fields: &[&Type], problems: &mut Problems) {
    if fields.len() != 1 {
        let message = format!(
            "`{name}` has {} fields, and a name with a prefix has one part; write \
             `struct {name}(pub u64);`, or named fields with `pattern`",
            fields.len()
        );
        problems.at(name, message);
    }
}

fn one_prefix(name: &Ident, prefixes: &[Text], problems: &mut Problems) {
    if prefixes.len() > 1 {
        let message = format!(
            "`{name}` would have {} names for one value; give one prefix, or write \
             `struct {name};`",
            prefixes.len()
        );
        problems.at(name, message);
    }
}

fn every_field_is_a_placeholder(fields: &[&Ident], pattern: &Pattern, problems: &mut Problems) {
    for field in fields {
        let plain = field.unraw().to_string();
        if !pattern.fields.contains(&plain) {
            problems.at(*field, format!("the pattern has no `{{{plain}}}`; add it there"));
        }
    }
}

fn every_placeholder_is_a_field(fields: &[&Ident], pattern: &Pattern, problems: &mut Problems) {
    for placeholder in &pattern.fields {
        if !fields.iter().any(|field| field.unraw() == placeholder) {
            let message = format!("`{{{placeholder}}}` is no field of the struct; add it there");
            problems.at(&pattern.source, message);
        }
    }
}

/// A pattern stands on a struct with named fields.
fn named_fields(name: &Ident, pattern: &Pattern, problems: &mut Problems) {
    let fields: Vec<_> = pattern.fields.iter().map(|field| format!("{field}: ..")).collect();
    let fields = fields.join(", ");
    let message =
        format!("a pattern's placeholders are named fields; write `struct {name} {{ {fields} }}`");
    problems.at(name, message);
}

/// A prefix does not stand on a struct with named fields.
fn no_named_fields(name: &Ident, fields: &[(&Ident, &Type)], problems: &mut Problems) {
    let fields: Vec<_> = fields.iter().map(|(field, _)| format!("{{{}}}", field.unraw())).collect();
    let fields = fields.join(":");
    let message = format!(
        "named fields are the placeholders of a pattern; write `struct {name}(pub u64);`, \
         or `pattern = \"room:{fields}\"`"
    );
    problems.at(name, message);
}

/// A name of this matcher has no part that a field could hold.
fn no_fields(name: &Ident, matcher: &Matcher, problems: &mut Problems) {
    let right = match matcher {
        Matcher::Prefixes(_) => format!("struct {name};` or `struct {name}(pub u64);"),
        _ => format!("struct {name};"),
    };
    let message = format!("no part of such a name is a field of `{name}`; write `{right}`");
    problems.at(name, message);
}
