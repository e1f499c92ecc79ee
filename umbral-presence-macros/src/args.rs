//! From the attribute's tokens to keys and values.

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Ident, LitStr, Path, Token, bracketed,
    ext::IdentExt,
    parse::{Parse, ParseStream, Parser},
    token::Bracket,
};

use crate::diag::{Problems, did_you_mean};

/// The keys that are understood, in the order in which they are listed to the user.
pub(crate) const KEYS: [&str; 7] =
    ["prefix", "exact", "pattern", "matching", "resolver", "grace", "crate"];

/// Each key with its value, where it was given.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) prefix: Option<Given<Texts>>,
    pub(crate) exact: Option<Given<Texts>>,
    pub(crate) pattern: Option<Given<LitStr>>,
    pub(crate) matching: Option<Given<Path>>,
    pub(crate) resolver: Option<Given<Path>>,
    pub(crate) grace: Option<Given<LitStr>>,
    pub(crate) runtime: Option<Given<Path>>,
}

/// A value with the key that it was given for.
pub(crate) struct Given<T> {
    pub(crate) key: Ident,
    pub(crate) value: T,
}

/// One or several texts.
pub(crate) enum Texts {
    One(LitStr),
    List(Bracket, Vec<LitStr>),
    /// A path to a `const &str`.
    Const(Path),
}

impl Args {
    /// Reads what can be read. One key's mistake does not hide another's.
    pub(crate) fn read(tokens: TokenStream, problems: &mut Problems) -> Self {
        let mut args = Self::default();
        for entry in split(tokens) {
            let read = |input: ParseStream<'_>| args.entry(input, problems);
            if let Err(error) = read.parse2(entry) {
                problems.push(error);
            }
        }
        args
    }

    fn entry(&mut self, input: ParseStream<'_>, problems: &mut Problems) -> syn::Result<()> {
        let key = input.call(Ident::parse_any).map_err(|error| {
            let keys = KEYS.join("`, `");
            syn::Error::new(error.span(), format!("a key was expected: one of `{keys}`"))
        })?;
        let name = key.to_string();
        if !KEYS.contains(&name.as_str()) {
            skip(input);
            problems.at(&key, unknown_key(&name));
            return Ok(());
        }
        if input.parse::<Token![=]>().is_err() {
            skip(input);
            let form = form(&name);
            problems.at(&key, format!("`{name}` wants a value: `{form}`"));
            return Ok(());
        }
        match name.as_str() {
            "prefix" => set(&mut self.prefix, key, input, problems),
            "exact" => set(&mut self.exact, key, input, problems),
            "pattern" => set(&mut self.pattern, key, input, problems),
            "matching" => set(&mut self.matching, key, input, problems),
            "resolver" => set(&mut self.resolver, key, input, problems),
            "grace" => set(&mut self.grace, key, input, problems),
            _ => set(&mut self.runtime, key, input, problems),
        }
        Ok(())
    }
}

/// What a value of each key looks like.
fn form(key: &str) -> &'static str {
    match key {
        "prefix" => "prefix = \"room:\"",
        "exact" => "exact = \"lobby\"",
        "pattern" => "pattern = \"org:{org}:doc:{doc}\"",
        "matching" => "matching = a_function",
        "resolver" => "resolver = a_function",
        "grace" => "grace = \"2s\"",
        _ => "crate = a::path",
    }
}

fn unknown_key(name: &str) -> String {
    let keys = KEYS.join("`, `");
    match did_you_mean(name, &KEYS) {
        Some(key) => format!("unknown key `{name}`; did you mean `{key}`? The keys are `{keys}`"),
        None => format!("unknown key `{name}`; the keys are `{keys}`"),
    }
}

/// Reads the value of `key`, and complains where there was one before.
fn set<T: Parse>(
    slot: &mut Option<Given<T>>,
    key: Ident,
    input: ParseStream<'_>,
    problems: &mut Problems,
) {
    let at = if input.is_empty() { key.span() } else { input.span() };
    let value = input.parse::<T>();
    let rest = !input.is_empty();
    skip(input);
    if let Some(first) = slot {
        problems.at(&first.key, format!("`{key}` is given here"));
        problems.at(&key, format!("`{key}` is given again; give each key once"));
        return;
    }
    match value {
        Ok(value) if !rest => *slot = Some(Given { key, value }),
        _ => problems.at_span(at, format!("wrong value; write `{}`", form(&key.to_string()))),
    }
}

impl Parse for Texts {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            return input.parse().map(Self::One);
        }
        if !input.peek(Bracket) {
            return input.parse().map(Self::Const);
        }
        let list;
        let bracket = bracketed!(list in input);
        let texts = list.parse_terminated(<LitStr as Parse>::parse, Token![,])?;
        Ok(Self::List(bracket, texts.into_iter().collect()))
    }
}

impl Texts {
    /// The literal texts; none for a path to a constant.
    pub(crate) fn literals(&self) -> &[LitStr] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::List(_, texts) => texts,
            Self::Const(_) => &[],
        }
    }
}

/// The entries between the commas of the top level.
fn split(tokens: TokenStream) -> Vec<TokenStream> {
    let mut entries = vec![TokenStream::new()];
    for token in tokens {
        match (&token, entries.last_mut()) {
            (TokenTree::Punct(punct), Some(last)) if punct.as_char() == ',' => {
                if last.is_empty() {
                    // `, ,`: the empty entry is an error at this comma.
                    last.extend([token]);
                }
                entries.push(TokenStream::new());
            }
            (_, Some(last)) => last.extend([token]),
            (_, None) => {}
        }
    }
    // A trailing comma is fine, and so is nothing at all: that has its own message.
    entries.retain(|entry| !entry.is_empty());
    entries
}

/// Leaves nothing unread, so that the parser has nothing to complain about by itself.
fn skip(input: ParseStream<'_>) {
    while input.parse::<TokenTree>().is_ok() {}
}
