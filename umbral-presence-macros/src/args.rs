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
pub(crate) const KEYS: [&str; 8] =
    ["prefix", "exact", "pattern", "matching", "resolver", "batch_resolver", "grace", "crate"];

/// Each key with its value, where it was given.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) prefix: Option<Given<Texts>>,
    pub(crate) exact: Option<Given<Texts>>,
    pub(crate) pattern: Option<Given<LitStr>>,
    pub(crate) matching: Option<Given<Path>>,
    pub(crate) resolver: Option<Given<Path>>,
    pub(crate) batch_resolver: Option<Given<Path>>,
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
    /// What is no text is kept for its error, so that the other texts are still checked.
    List {
        bracket: Bracket,
        texts: Vec<LitStr>,
        strays: Vec<TokenStream>,
    },
    /// A path to a `const &str`.
    Const(Path),
}

impl Args {
    /// Reads what can be read. One key's mistake does not hide another's.
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

    /// Reads one key with its value. Gives back what follows where a comma is missing.
    fn entry(
        &mut self,
        input: ParseStream<'_>,
        problems: &mut Problems,
    ) -> syn::Result<TokenStream> {
        let text = input.fork().parse::<LitStr>().ok();
        let key = input.call(Ident::parse_any).map_err(|error| {
            // The parser wants to see everything read, even what it stumbled over.
            remaining(input);
            syn::Error::new(error.span(), not_a_key(text.as_ref()))
        })?;
        let name = key.to_string();
        if !KEYS.contains(&name.as_str()) {
            remaining(input);
            problems.at(&key, unknown_key(&name));
            return Ok(TokenStream::new());
        }
        if input.parse::<Token![=]>().is_err() || input.is_empty() {
            remaining(input);
            let form = form(&name);
            problems.at(&key, format!("`{name}` wants a value: `{form}`"));
            return Ok(TokenStream::new());
        }
        let missed = match name.as_str() {
            "prefix" => set(&mut self.prefix, key, input, problems),
            "exact" => set(&mut self.exact, key, input, problems),
            "pattern" => set(&mut self.pattern, key, input, problems),
            "matching" => set(&mut self.matching, key, input, problems),
            "resolver" => set(&mut self.resolver, key, input, problems),
            "batch_resolver" => set(&mut self.batch_resolver, key, input, problems),
            "grace" => set(&mut self.grace, key, input, problems),
            _ => set(&mut self.runtime, key, input, problems),
        };
        Ok(missed)
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
        "batch_resolver" => "batch_resolver = an_async_function",
        "grace" => "grace = \"2s\"",
        _ => "crate = a::path",
    }
}

fn not_a_key(given: Option<&LitStr>) -> String {
    let keys = KEYS.join("`, `");
    match given.map(LitStr::value) {
        Some(text) => {
            format!(
                "a text alone says too little; write `prefix = {text:?}`, say: the keys are `{keys}`"
            )
        }
        None => format!("a key was expected: one of `{keys}`"),
    }
}

fn unknown_key(name: &str) -> String {
    let keys = KEYS.join("`, `");
    match did_you_mean(name, &KEYS) {
        Some(key) => format!("unknown key `{name}`; did you mean `{key}`? The keys are `{keys}`"),
        None => format!("unknown key `{name}`; the keys are `{keys}`"),
    }
}

/// Reads the value of `key`, and complains where there was one before. Gives back the next
/// key and what is behind it, where the comma before it is missing.
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

/// The longest wrong value that a message repeats.
const MAX_ECHO_BYTES: usize = 40;

fn wrong_value(key: &str, given: &TokenStream) -> String {
    let right = match (key, syn::parse2::<LitStr>(given.clone())) {
        // A path in quotes is the commonest slip where a path is wanted.
        ("matching" | "resolver" | "batch_resolver" | "crate", Ok(quoted))
            if quoted.parse::<Path>().is_ok() =>
        {
            format!("{key} = {}", quoted.value())
        }
        // What is computed can be a constant.
        ("prefix" | "exact", _) => format!("{}`, or `{key} = A_CONSTANT", form(key)),
        _ => form(key).to_owned(),
    };
    let given = given.to_string();
    if given.len() > MAX_ECHO_BYTES {
        return format!("this is no value for `{key}`; write `{right}`");
    }
    format!("`{given}` is no value for `{key}`; write `{right}`")
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
        let (mut texts, mut strays) = (Vec::new(), Vec::new());
        for entry in split(remaining(&list)) {
            match syn::parse2(entry.clone()) {
                Ok(text) => texts.push(text),
                Err(_) => strays.push(entry),
            }
        }
        Ok(Self::List { bracket, texts, strays })
    }
}

impl Texts {
    /// The literal texts; none for a path to a constant.
    pub(crate) fn literals(&self) -> &[LitStr] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::List { texts, .. } => texts,
            Self::Const(_) => &[],
        }
    }
}

/// The entries between the commas of the top level. Those between the angle brackets of
/// `path::<A, B>` are not of the top level, although they look like it.
fn split(tokens: TokenStream) -> Vec<TokenStream> {
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
            // `, ,`: the empty entry is an error at this comma.
            entry.extend([token]);
        }
        entries.push(TokenStream::new());
    }
    // A trailing comma is fine, and so is nothing at all: that has its own message.
    entries.retain(|entry| !entry.is_empty());
    entries
}

/// Takes all that is left, so that the parser has nothing to complain about by itself.
fn remaining(input: ParseStream<'_>) -> TokenStream {
    let mut rest = TokenStream::new();
    while let Ok(token) = input.parse::<TokenTree>() {
        rest.extend([token]);
    }
    rest
}
