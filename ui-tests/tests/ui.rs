//! What the compiler says about `#[presence(..)]`: `fail/` holds one mistake per file with
//! the message that it gets, `pass/` what must compile.

use std::{env, fs, process::Command};

/// Says which toolchain owns the messages.
const TOOLCHAIN: &str = include_str!("../../rust-toolchain.toml");

#[test]
fn mistakes_are_found_by_the_compiler() {
    only_the_owner_of_the_messages();
    let cases = trybuild::TestCases::new();
    cases.compile_fail("fail/*/*.rs");
}

/// The programs of this package: what must compile has been compiled with everything else, and
/// not once more with all that it depends on.
const PROGRAMS: [(&str, &str); 5] = [
    ("by_macro", env!("CARGO_BIN_EXE_by_macro")),
    ("forms", env!("CARGO_BIN_EXE_forms")),
    ("found_by_build", env!("CARGO_BIN_EXE_found_by_build")),
    ("hygiene", env!("CARGO_BIN_EXE_hygiene")),
    ("lints", env!("CARGO_BIN_EXE_lints")),
];

#[test]
fn every_form_compiles() {
    let files = fs::read_dir("pass").expect("a folder").map(|file| file.expect("a file").path());
    let mut names: Vec<_> = files.filter_map(|file| Some(file.file_stem()?.to_owned())).collect();
    names.sort();
    assert_eq!(names, PROGRAMS.map(|(name, _)| name), "a file of pass/ is no program");
    for (name, program) in PROGRAMS {
        let output = Command::new(program).output().expect("a program that was built");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Another compiler words its messages in other ways, which says nothing about ours.
fn only_the_owner_of_the_messages() {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc).arg("--version").output().expect("a compiler to ask");
    let version = String::from_utf8_lossy(&output.stdout);
    let mut settings = TOOLCHAIN.lines().filter_map(|line| line.split_once(" = "));
    let channel = settings.find(|(key, _)| *key == "channel").map(|(_, value)| value);
    let owner = channel.expect("rust-toolchain.toml has a channel").trim_matches('"');
    assert!(
        version.starts_with(&format!("rustc {owner} ")),
        "the .stderr files are those of rustc {owner}, and this is {version:?}: run \
         `cargo +{owner} test -p ui-tests`; to change the toolchain, change `channel` in \
         rust-toolchain.toml, run the tests once with TRYBUILD=overwrite, and read every message that \
         has changed"
    );
}
