//! What fuzzing has found worth keeping stays right.

use std::{fs, path::Path};

/// Runs a target on every file of its corpus.
fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut files: Vec<_> =
        fs::read_dir(&folder).expect("a corpus").map(|file| file.expect("a file").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in files {
        // A test that fails shows its output, and so the file at which it stopped.
        println!("{}", file.display());
        run(&fs::read(&file).expect("a file that can be read"));
    }
}

#[test]
fn attribute() {
    replay("attribute", fuzz::attribute);
}

#[test]
fn group_name() {
    replay("group_name", fuzz::group_name);
}

#[test]
fn query() {
    replay("query", fuzz::query);
}

#[test]
fn control() {
    replay("control", fuzz::control);
}

#[test]
fn websocket() {
    replay("websocket", fuzz::websocket);
}
