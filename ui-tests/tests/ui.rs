//! The messages are those of the toolchain that the workspace names as its `rust-version`.
//! After a change that is meant, `TRYBUILD=overwrite cargo test -p ui-tests` writes them
//! anew; read what it wrote.

#[test]
fn mistakes_are_found_by_the_compiler() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("fail/*/*.rs");
}

#[test]
fn every_form_compiles() {
    let cases = trybuild::TestCases::new();
    cases.pass("pass/*.rs");
}
