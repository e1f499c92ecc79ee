//! The `#[presence(..)]` attribute of `umbral-presence`, which re-exports it and documents it by
//! example. Use it from there.
//!
//! The modules, in the order in which an attribute passes through them:
//!
//! - `args` reads the attribute's tokens into keys and values;
//! - `assemble` puts them and the struct together into the `Declaration` of `model`, a
//!   `pattern` cut at its placeholders included;
//! - `validate` holds the rules, with those of a `name`;
//! - `expand` writes the code;
//! - `diag` collects what is wrong on the way.

mod args;
mod assemble;
mod diag;
mod expand;
mod model;
mod name;
mod pattern;
#[cfg(test)]
mod tests;
mod validate;

use proc_macro::TokenStream;

/// Declares presence for a family of groups, on a struct that stands for it.
///
/// `#[presence(<one matcher>, <options>)]`
///
/// | key | value | meaning |
/// |---|---|---|
/// | `prefix` | `"room:"`, a list of them, or a path to a `const` | groups whose name starts with it |
/// | `exact` | `"lobby"`, a list of them, or a path to a `const` | exactly these groups |
/// | `pattern` | `"org:{org}:doc:{doc}"` | groups of this form; the placeholders are the struct's fields |
/// | `matching` | path to `fn(&str) -> bool` | groups that the function picks |
/// | `resolver` | path to `fn(&str) -> serde_json::Value` | what is broadcast of a member, exactly; without it `{"id": ..}` |
/// | `batch_resolver` | path to `async fn(Vec<UserId>, ResolveContext) -> HashMap<UserId, Value>` | the same for many users in one call, with the application's state at hand |
/// | `grace` | `"500ms"`, `"2s"`, `"1m"`, at most `"10m"` | how long a lost connection keeps its user present; 3 s without it |
/// | `crate` | path | the runtime crate under another name |
///
/// Exactly one of the first four is given, at most one of the resolvers, and no key twice. A wrong text is an error of the
/// compiler, that of a constant included. What the struct gets:
///
/// | struct | matcher | gives |
/// |---|---|---|
/// | `struct Room;` | one `prefix` | `Room::group("42")` is the name `room:42` |
/// | `struct Room(u64);` | one `prefix` | `Room(42)` is the group `room:42`, and `"room:42".parse::<Room>()` gives it back |
/// | `struct Doc { org: u64, doc: String }` | `pattern` | likewise, both ways |
/// | `struct Lobby;` | one `exact` | `Lobby` is that group |
/// | `struct Any;` | anything else | the declaration alone |
///
/// A field is any type with `Display` and `FromStr`; `r#type` is the field of `{type}`. A
/// name whose parts do not parse, or that is not written as the value itself would be
/// (`room:007`), is not in the family.
///
/// Where several declarations fit a name, an exact one owns it, then the longest literal
/// prefix (a pattern counts with the text before its first placeholder, and wins a tie
/// against a prefix), then predicates in order of module path and line. The same name or
/// prefix declared twice is an error of `build()`, with both places.
#[proc_macro_attribute]
pub fn presence(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::presence(attribute.into(), &item.into()).into()
}
