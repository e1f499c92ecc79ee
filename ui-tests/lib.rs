//! What the compiler says about `#[presence(..)]`: `fail/` holds one mistake per file with
//! the message that it gets, `pass/` what must compile.
//!
//! The messages are those of the toolchain that the workspace names as its `rust-version`;
//! rust-toolchain.toml selects it, and the tests refuse another one.
