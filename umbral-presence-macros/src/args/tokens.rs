//! Tokens that are not parsed yet: cut at commas, or taken as they are.

use proc_macro2::{TokenStream, TokenTree};
use syn::parse::ParseStream;

/// The entries between the commas of the top level. A comma between the angle brackets of
/// `path::<A, B>` is not one of them: it is no group of tokens, so the brackets are counted.
pub(crate) fn split(tokens: TokenStream) -> Vec<TokenStream> {
    let mut entries = vec![TokenStream::new()];
    let (mut depth, mut before) = (0_usize, ' ');
    for token in tokens {
        let character = match &token {
            TokenTree::Punct(punct) => punct.as_char(),
            _ => ' ',
        };
        match character {
            '<' if depth > 0 || before == ':' => depth += 1,
            '>' if before != '-' => depth = depth.saturating_sub(1),
            _ => {}
        }
        before = character;
        let Some(entry) = entries.last_mut() else { break };
        if character != ',' || depth > 0 {
            entry.extend([token]);
            continue;
        }
        if entry.is_empty() {
            // In `, ,` the comma itself is the entry, so that the error points at it.
            entry.extend([token]);
        }
        entries.push(TokenStream::new());
    }
    // A trailing comma is allowed. An attribute without any entry has a message of its own.
    entries.retain(|entry| !entry.is_empty());
    entries
}

/// Takes all tokens that are left, because the parser reports every token that is not taken.
pub(crate) fn remaining(input: ParseStream<'_>) -> TokenStream {
    let mut rest = TokenStream::new();
    while let Ok(token) = input.parse::<TokenTree>() {
        rest.extend([token]);
    }
    rest
}
