//! The keys of the attribute, and what is said about a key or a value that is wrong.

use proc_macro2::TokenStream;
use syn::{LitStr, Path};

use crate::diag::did_you_mean;

/// All keys, in the order in which messages list them.
pub(crate) const KEYS: [&str; 9] = [
    "prefix",
    "exact",
    "pattern",
    "matching",
    "resolver",
    "batch_resolver",
    "policy",
    "grace",
    "crate",
];

pub(crate) fn is_key(name: &str) -> bool {
    KEYS.contains(&name)
}

/// An example of each key with its value.
fn example(key: &str) -> &'static str {
    match key {
        "prefix" => "prefix = \"room:\"",
        "exact" => "exact = \"lobby\"",
        "pattern" => "pattern = \"org:{org}:doc:{doc}\"",
        "matching" => "matching = a_function",
        "resolver" => "resolver = a_function",
        "batch_resolver" => "batch_resolver = an_async_function",
        "policy" => "policy = a_function",
        "grace" => "grace = \"2s\"",
        _ => "crate = a::path",
    }
}

/// `given` is the text that stands where a key was expected, if a text stands there.
pub(crate) fn not_a_key(given: Option<&LitStr>) -> String {
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

pub(crate) fn unknown_key(name: &str) -> String {
    let keys = KEYS.join("`, `");
    match did_you_mean(name, &KEYS) {
        Some(key) => format!("unknown key `{name}`; did you mean `{key}`? The keys are `{keys}`"),
        None => format!("unknown key `{name}`; the keys are `{keys}`"),
    }
}

pub(crate) fn needs_a_value(key: &str) -> String {
    format!("`{key}` wants a value: `{}`", example(key))
}

/// The longest wrong value that a message repeats.
const MAX_ECHO_BYTES: usize = 40;

pub(crate) fn wrong_value(key: &str, given: &TokenStream) -> String {
    let right = match (key, syn::parse2::<LitStr>(given.clone())) {
        // The most common mistake with a path is to write it in quotes.
        ("matching" | "resolver" | "batch_resolver" | "policy" | "crate", Ok(quoted))
            if quoted.parse::<Path>().is_ok() =>
        {
            format!("{key} = {}", quoted.value())
        }
        // A computed text, such as `concat!(..)`, can be moved into a constant.
        ("prefix" | "exact", _) => format!("{}`, or `{key} = A_CONSTANT", example(key)),
        _ => example(key).to_owned(),
    };
    let given = given.to_string();
    if given.len() > MAX_ECHO_BYTES {
        return format!("this is no value for `{key}`; write `{right}`");
    }
    format!("`{given}` is no value for `{key}`; write `{right}`")
}
