//! What holds for every attribute on every item, whatever tokens the two are made of.

use std::{ops::Range, str::FromStr};

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree, extra};
use syn::DeriveInput;

use crate::expand;

/// Expands `#[presence(attribute)] item`, and checks that the result either is code without
/// an error, or has errors that point at this text. In both cases it contains the item.
/// Returns whether the text can be read as tokens.
pub(crate) fn holds(attribute: &str, item: &str) -> bool {
    let read = Case::read(attribute, item).map(|case| case.holds());
    // Otherwise the source map grows with every text.
    extra::invalidate_current_thread_spans();
    read.is_some()
}

/// An attribute and its item. They are read from one text, so that each place has one number.
struct Case {
    text: String,
    attribute: TokenStream,
    item: TokenStream,
    /// Which bytes of the text the two take.
    places: [Range<usize>; 2],
}

impl Case {
    fn read(attribute: &str, item: &str) -> Option<Self> {
        let text = format!("#[presence({attribute})]\n{item}");
        let mut tokens = TokenStream::from_str(&text).ok()?.into_iter();
        let (_, head) = (tokens.next(), tokens.next()?);
        let TokenTree::Group(head) = head else { return None };
        let arguments = head.stream().into_iter().nth(1)?;
        let TokenTree::Group(arguments) = arguments else { return None };
        let begin = "#[presence(".len();
        let end = begin + attribute.len();
        // A bracket or a comment inside of the attribute may end it at another place.
        let is_whole = arguments.delimiter() == Delimiter::Parenthesis
            && arguments.span_close().byte_range().start == end
            && head.span_close().byte_range().start == end + 1;
        is_whole.then(|| Self {
            attribute: arguments.stream(),
            item: tokens.collect(),
            places: [begin..end, end + 2..text.len()],
            text,
        })
    }

    fn holds(&self) {
        let output = expand::presence(self.attribute.clone(), &self.item);
        let shown = output.to_string();
        let parsed = syn::parse2::<DeriveInput>(self.item.clone());
        let text = &self.text;
        if parsed.is_ok() {
            let whole = syn::parse2::<syn::File>(output.clone());
            assert!(whole.is_ok(), "{text}\ngives what cannot be parsed: {shown}");
        }
        // The expansion takes out a second attribute, so the item may differ then.
        let item = squeezed(&self.item);
        let is_there = item.contains("presence") || squeezed(&output).contains(&item);
        assert!(is_there, "{text}\nis not given back: {shown}");
        if text.contains("compile_error") {
            return;
        }
        let errors = errors(output);
        assert!(parsed.is_ok() || !errors.is_empty(), "{text}\nis taken: {shown}");
        for (span, message) in errors {
            assert!(!message.is_empty(), "{text}\nis wrong without a word");
            let at = span.byte_range();
            let is_inside = self
                .places
                .iter()
                .any(|place| place.start <= at.start && at.end <= place.end && at.start < at.end);
            // An error about something that is missing points at the attribute as a whole.
            let is_whole = at == Span::call_site().byte_range()
                && (parsed.is_err() || message.contains("which groups is"));
            assert!(is_inside || is_whole, "{text}\nis wrong at {at:?}: {message}");
        }
    }
}

/// The text of tokens without the space between them, which is not always the same.
fn squeezed(tokens: &TokenStream) -> String {
    tokens.to_string().split_whitespace().collect()
}

/// The errors in an expansion, each with its place and its message.
fn errors(output: TokenStream) -> Vec<(Span, String)> {
    let mut found = Vec::new();
    let mut tokens = output.into_iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(ident) if ident == "compile_error" => {
                let message = tokens.by_ref().nth(1).map(|group| group.to_string());
                found.push((ident.span(), message.unwrap_or_default()));
            }
            TokenTree::Group(group) => found.extend(errors(group.stream())),
            _ => {}
        }
    }
    found
}
