//! Feeds the fuzz targets what has been found so far, with the compiler that everything else
//! is built with.

#[path = "fuzz/src/runtime.rs"]
mod runtime;

use std::{fs, path::Path};

fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut inputs = 0;
    for entry in fs::read_dir(&corpus).expect("a corpus") {
        let path = entry.expect("an input").path();
        let input = fs::read(&path).expect("an input");
        // A panic's message does not say which one it was.
        let outcome = std::panic::catch_unwind(|| run(&input));
        assert!(outcome.is_ok(), "{}", path.display());
        inputs += 1;
    }
    assert!(inputs > 0, "inputs in {}", corpus.display());
}

#[test]
fn group_names() {
    replay("group_name", runtime::group_name);
}

#[test]
fn queries() {
    replay("query", runtime::query);
}

#[test]
fn control_bodies() {
    replay("control", runtime::control);
}

#[test]
fn websocket_texts() {
    replay("websocket", runtime::websocket);
}
