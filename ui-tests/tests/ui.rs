//! What the compiler says about `#[presence(..)]`: `fail/` holds one mistake per file with
//! the message that it gets, `pass/` what must compile.

use std::{env, process::Command};

/// The toolchain that owns the messages, to the minor version.
const TOOLCHAIN: &str = env!("CARGO_PKG_RUST_VERSION");

#[test]
fn mistakes_are_found_by_the_compiler() {
    only_the_owner_of_the_messages();
    let cases = trybuild::TestCases::new();
    cases.compile_fail("fail/*/*.rs");
}

#[test]
fn every_form_compiles() {
    let cases = trybuild::TestCases::new();
    cases.pass("pass/*.rs");
}

/// Another compiler words its messages in other ways, which says nothing about ours.
fn only_the_owner_of_the_messages() {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc).arg("--version").output().expect("a compiler to ask");
    let version = String::from_utf8_lossy(&output.stdout);
    assert!(
        version.starts_with(&format!("rustc {TOOLCHAIN}.")),
        "the .stderr files are those of rustc {TOOLCHAIN}, and this is {version:?}: run \
         `cargo +{TOOLCHAIN}.0 test -p ui-tests`; to change the toolchain, change `rust-version` in \
         Cargo.toml and `channel` in rust-toolchain.toml, run the tests once with \
         TRYBUILD=overwrite, and read every message that has changed"
    );
}
