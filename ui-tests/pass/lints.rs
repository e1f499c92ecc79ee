//! A crate that warns of everything gets no warning from the expansion.

#![deny(dead_code, warnings, clippy::all, clippy::pedantic, clippy::nursery)]
#![deny(missing_debug_implementations, non_local_definitions, unused_results)]
#![deny(single_use_lifetimes, let_underscore_drop, elided_lifetimes_in_paths)]
#![forbid(unsafe_code)]

use umbral_presence::presence;

/// Never built by hand, only read from a name.
#[presence(prefix = "room:")]
#[derive(Debug)]
struct Room(u64);

#[presence(prefix = "table:")]
#[derive(Debug)]
struct Table;

#[presence(prefix = ["a:", "b:"])]
#[derive(Debug)]
struct Several;

#[presence(exact = "lobby")]
#[derive(Debug)]
struct Lobby;

#[presence(matching = str::is_empty, resolver = display)]
#[derive(Debug)]
struct Empty;

#[presence(pattern = "doc:{id}:{type}")]
#[derive(Debug)]
struct Doc {
    id: u64,
    r#type: String,
}

fn display(id: &str) -> serde_json::Value {
    id.into()
}

fn main() {
    #[presence(prefix = "inner:", resolver = display)]
    #[derive(Debug)]
    struct Inner(u64);

    assert_eq!(umbral_presence::declared().len(), 7);
}
