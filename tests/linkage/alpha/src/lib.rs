//! A crate that declares groups, one of them as `beta` does.

use umbral_presence::presence;

/// Predicates are asked in the order of module path and line.
#[presence(matching = is_short)]
pub struct Short;

/// In conflict with `beta`.
#[presence(prefix = "room:")]
pub struct Room;

/// In conflict with `beta`.
#[presence(pattern = "doc:{id}")]
pub struct Doc {
    /// Any text.
    pub id: String,
}

fn is_short(name: &str) -> bool {
    name.len() < 4
}
