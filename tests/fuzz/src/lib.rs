//! One function per fuzz target. `cargo fuzz` calls it with what it makes up, and
//! `tests/replay.rs` with what is in `corpus/`; either way a panic is a finding.

mod runtime;

pub use self::runtime::{control, group_name, query, websocket};

/// The attribute in the first line, on the item in the others.
pub fn attribute(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (attribute, item) = text.split_once('\n').unwrap_or((text, "struct Room;"));
    attribute::expand(attribute, item);
}
