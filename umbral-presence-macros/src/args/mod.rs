//! From the attribute's tokens to keys and values.

pub(crate) mod keys;
mod texts;
mod tokens;

use proc_macro2::TokenStream;
use syn::{
    Ident, LitStr, Path, Token,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
};

pub(crate) use self::texts::Texts;
use self::{
    keys::{is_key, needs_a_value, not_a_key, unknown_key, wrong_value},
    tokens::{remaining, split},
};
use crate::diag::Problems;

/// Each key with its value, where it was given.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) prefix: Option<Given<Texts>>,
    pub(crate) exact: Option<Given<Texts>>,
    pub(crate) pattern: Option<Given<LitStr>>,
    pub(crate) matching: Option<Given<Path>>,
    pub(crate) resolver: Option<Given<Path>>,
    pub(crate) batch_resolver: Option<Given<Path>>,
    pub(crate) policy: Option<Given<Path>>,
    pub(crate) grace: Option<Given<LitStr>>,
    pub(crate) runtime: Option<Given<Path>>,
}

/// A value with the key that it was given for.
pub(crate) struct Given<T> {
    pub(crate) key: Ident,
    pub(crate) value: T,
}

impl Args {
    /// Reads what can be read. A mistake at one key does not hide a mistake at another.
    pub(crate) fn read(tokens: TokenStream, problems: &mut Problems) -> Self {
        let mut args = Self::default();
        for mut entry in split(tokens) {
            while !entry.is_empty() {
                let read = |input: ParseStream<'_>| args.entry(input, problems);
                entry = read.parse2(entry).unwrap_or_else(|error| {
                    problems.push(error);
                    TokenStream::new()
                });
            }
        }
        args
    }

    /// Reads one key with its value. Returns what follows if a comma is missing there.
    fn entry(
        &mut self,
        input: ParseStream<'_>,
        problems: &mut Problems,
    ) -> syn::Result<TokenStream> {
        let text = input.fork().parse::<LitStr>().ok();
        let key = input.call(Ident::parse_any).map_err(|error| {
            // `parse2` reports tokens that are left over, so all of them are taken.
            remaining(input);
            syn::Error::new(error.span(), not_a_key(text.as_ref()))
        })?;
        let name = key.to_string();
        if !is_key(&name) {
            remaining(input);
            problems.at(&key, unknown_key(&name));
            return Ok(TokenStream::new());
        }
        if input.parse::<Token![=]>().is_err() || input.is_empty() {
            remaining(input);
            problems.at(&key, needs_a_value(&name));
            return Ok(TokenStream::new());
        }
        let rest = match name.as_str() {
            "prefix" => set(&mut self.prefix, key, input, problems),
            "exact" => set(&mut self.exact, key, input, problems),
            "pattern" => set(&mut self.pattern, key, input, problems),
            "matching" => set(&mut self.matching, key, input, problems),
            "resolver" => set(&mut self.resolver, key, input, problems),
            "batch_resolver" => set(&mut self.batch_resolver, key, input, problems),
            "policy" => set(&mut self.policy, key, input, problems),
            "grace" => set(&mut self.grace, key, input, problems),
            _ => set(&mut self.runtime, key, input, problems),
        };
        Ok(rest)
    }
}

/// Reads the value of `key`, and reports a key that was given before. Returns the next key
/// and everything after it if the comma before it is missing.
fn set<T: Parse>(
    slot: &mut Option<Given<T>>,
    key: Ident,
    input: ParseStream<'_>,
    problems: &mut Problems,
) -> TokenStream {
    let given = remaining(&input.fork());
    let value = input.parse::<T>();
    let is_next_key = input.peek(Ident::peek_any) && input.peek2(Token![=]);
    let rest = remaining(input);
    if let Some(first) = slot {
        problems.at(&first.key, format!("`{key}` is given here first"));
        problems.at(&key, format!("`{key}` is given again; give each key once"));
        return TokenStream::new();
    }
    match value {
        Ok(value) if rest.is_empty() => *slot = Some(Given { key, value }),
        Ok(value) if is_next_key => {
            problems.at(&rest.clone().into_iter().next(), "a comma is missing before this key");
            *slot = Some(Given { key, value });
            return rest;
        }
        _ => problems.at(&given, wrong_value(&key.to_string(), &given)),
    }
    TokenStream::new()
}
