//! Cuts a pattern at its placeholders.

use syn::LitStr;

/// A pattern that has been cut. It has one literal more than it has fields.
pub(crate) struct Pattern {
    pub(crate) source: LitStr,
    pub(crate) literals: Vec<String>,
    pub(crate) fields: Vec<String>,
}

impl Pattern {
    /// Cuts `source`. The error says what is wrong with its braces.
    pub(crate) fn cut(source: LitStr) -> syn::Result<Self> {
        match cut(&source.value()) {
            Ok((literals, fields)) => Ok(Self { source, literals, fields }),
            Err(fault) => Err(syn::Error::new_spanned(&source, fault)),
        }
    }
}

/// The literals, and the placeholders between them.
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
