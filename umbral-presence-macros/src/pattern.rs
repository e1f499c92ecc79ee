//! Cutting a pattern at its placeholders, and the rules that it must keep.

use syn::{Ident, LitStr, ext::IdentExt, parse::Parser};

use crate::{diag::Problems, validate};

/// A pattern that has been cut: there is one literal more than there are fields.
pub(crate) struct Pattern {
    pub(crate) source: LitStr,
    pub(crate) literals: Vec<String>,
    pub(crate) fields: Vec<String>,
}

impl Pattern {
    /// Cuts `source` and checks it; `None` where something is wrong.
    pub(crate) fn read(source: LitStr, problems: &mut Problems) -> Option<Self> {
        let text = source.value();
        let before = problems.count();
        validate::characters(&source, problems);
        match cut(&text) {
            Err(fault) => problems.at(&source, fault),
            Ok((literals, fields)) => {
                let pattern = Self { source, literals, fields };
                pattern.has_a_placeholder(&text, problems);
                pattern.begins_with_text(problems);
                pattern.names_fields(problems);
                pattern.names_each_once(problems);
                pattern.can_be_cut(problems);
                pattern.leaves_room(problems);
                return (problems.count() == before).then_some(pattern);
            }
        }
        None
    }

    fn has_a_placeholder(&self, text: &str, problems: &mut Problems) {
        if text.is_empty() {
            problems.at(&self.source, "an empty pattern names no group; write `\"doc:{id}\"`, say");
        } else if self.fields.is_empty() {
            let message = format!("{text:?} has no placeholder; write `exact = {text:?}`");
            problems.at(&self.source, message);
        }
    }

    fn begins_with_text(&self, problems: &mut Problems) {
        if let ([head, ..], [field, ..]) = (&self.literals[..], &self.fields[..])
            && head.is_empty()
        {
            let message = format!(
                "a pattern begins with text, so that it does not match every group; write \
                 `\"doc:{{{field}}}\"`, say"
            );
            problems.at(&self.source, message);
        }
    }

    fn names_fields(&self, problems: &mut Problems) {
        for name in &self.fields {
            if name.is_empty() {
                let message = "a placeholder has no name; write that of a field, such as `{id}`";
                problems.at(&self.source, message);
            } else if let Some(plain) = name.strip_prefix("r#") {
                let message = format!("`{{{name}}}` is written without `r#`: `{{{plain}}}`");
                problems.at(&self.source, message);
            } else if !is_field_name(name) {
                let message = format!(
                    "`{{{name}}}` is not the name of a field; a placeholder is that alone, such \
                     as `{{id}}`"
                );
                problems.at(&self.source, message);
            }
        }
    }

    fn names_each_once(&self, problems: &mut Problems) {
        for (i, name) in self.fields.iter().enumerate() {
            let again = !name.is_empty() && self.fields[..i].contains(name);
            if again {
                let message = format!("`{{{name}}}` stands here twice; name each field once");
                problems.at(&self.source, message);
            }
        }
    }

    /// Where one part ends and the next begins must be seen from the name.
    fn can_be_cut(&self, problems: &mut Problems) {
        for (pair, between) in self.fields.windows(2).zip(self.literals.iter().skip(1)) {
            if let ([a, b], true) = (pair, between.is_empty()) {
                let message = format!(
                    "nothing stands between `{{{a}}}` and `{{{b}}}`, so a name could not be cut; \
                     write `{{{a}}}:{{{b}}}`, say"
                );
                problems.at(&self.source, message);
            }
        }
    }

    /// Each part has at least one byte.
    fn leaves_room(&self, problems: &mut Problems) {
        let least = self.literals.iter().map(String::len).sum::<usize>() + self.fields.len();
        validate::length(least, &self.source, problems);
    }
}

/// The literals and the placeholders between them, or what is wrong with the braces.
fn cut(text: &str) -> Result<(Vec<String>, Vec<String>), String> {
    let (mut literals, mut fields) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(brace) = text[at..].find(['{', '}']).map(|offset| at + offset) {
        if text[brace..].starts_with('}') {
            return Err(format!(
                "'}}' at byte {brace} closes no placeholder; write `{{id}}` for the field `id`"
            ));
        }
        literals.push(text[at..brace].to_owned());
        let inner = &text[brace + 1..];
        let Some(end) = inner.find(['{', '}']) else {
            return Err(format!(
                "the placeholder at byte {brace} is not closed; write `{{{inner}}}`"
            ));
        };
        if inner[end..].starts_with('{') {
            let nested = brace + 1 + end;
            return Err(format!(
                "'{{' at byte {nested} is inside of a placeholder; a placeholder is the name of \
                 one field, such as `{{id}}`"
            ));
        }
        fields.push(inner[..end].to_owned());
        at = brace + end + 2;
    }
    literals.push(text[at..].to_owned());
    Ok((literals, fields))
}

/// Keywords are names of fields too: `r#type` is the field of `{type}`.
fn is_field_name(name: &str) -> bool {
    // The compiler's lexer reports by itself what is no token at all, so it sees only
    // what may be a name.
    let may_be = name.chars().all(|c| c == '_' || c.is_alphanumeric());
    may_be && name != "_" && Ident::parse_any.parse_str(name).is_ok()
}
