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

// The runtime's manual stands before this text in the documentation of the re-export. An editor
// shows this text alone.
/// # In short
///
/// `#[presence(<one matcher>, <options>)]` declares presence for a family of groups, on a struct
/// that stands for them. The manual is the documentation of `umbral_presence::presence`.
///
/// | one matcher | |
/// |---|---|
/// | `prefix = "room:"`, `["a:", "b:"]` or a constant | on `struct Room;` or `struct Room(pub u64);` |
/// | `exact = "lobby"`, `["a", "b"]` or a constant | on `struct Lobby;` |
/// | `pattern = "org:{org}:doc:{doc}"` | on `struct Doc { org: u64, doc: String }` |
/// | `matching = path` | a `fn(&str) -> bool`, on `struct Any;` |
///
/// | option | |
/// |---|---|
/// | `resolver = path` | a `fn(&str) -> serde_json::Value` |
/// | `batch_resolver = path` | an `async fn(Vec<UserId>, ResolveContext) -> HashMap<UserId, Value>` |
/// | `policy = path` | a `fn(Option<&UserId>, &Room) -> bool`, or an `async fn(Option<UserId>, Room, ResolveContext) -> bool` |
/// | `grace = "2s"` | at most `"10m"`; 3 s without it |
/// | `crate = path` | the runtime crate under another name |
#[proc_macro_attribute]
pub fn presence(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::presence(attribute.into(), &item.into()).into()
}
