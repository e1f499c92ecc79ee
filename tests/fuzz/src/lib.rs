//! One function per fuzz target. `cargo fuzz` calls it with what it makes up, and
//! `tests/replay.rs` with what is in `corpus/`; either way a panic is a finding.

mod runtime;

pub use self::runtime::{control, group_name, query, websocket};
