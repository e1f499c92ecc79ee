//! What no compiler sees is found by `build()`: all of it at once, sorted, with its places.

use umbral_presence::{RealtimePlugin, presence};

/// With a space that is not ASCII, which a constant function cannot know.
const CHAT: &str = "chat\u{2003}room:";
const LOBBY: &str = "lobby\u{a0}";

#[presence(prefix = CHAT)]
struct Chat;

#[presence(exact = LOBBY)]
struct Lobby;

#[presence(prefix = "table:")]
struct Table;

#[presence(prefix = "table:")]
struct Desk(u64);

#[presence(pattern = "doc:{id}")]
struct Doc {
    id: u64,
}

#[presence(pattern = "doc:{id}:{line}")]
struct Line {
    id: u64,
    line: u64,
}

#[presence(exact = ["hall", "yard"])]
struct Places;

#[presence(exact = "hall")]
struct Hall;

fn main() {
    let error =
        RealtimePlugin::new().expect_declared(["hall", "attic"]).build().expect_err("six problems");
    let found: Vec<_> = error.messages().collect();
    let mut sorted = found.clone();
    sorted.sort();
    assert_eq!(found, sorted);
    assert_eq!(found.len(), 6, "{found:#?}");
    for (what, places) in [
        ("the prefix \"table:\" is declared twice", &["15:1", "18:1"][..]),
        ("the exact name \"hall\" is declared twice", &["32:1", "35:1"]),
        ("the patterns \"doc:{id}\" at ", &["21:1", "26:1"]),
        ("the prefix \"chat\\u{2003}room:\" at ", &["9:1"]),
        ("'\\u{a0}' at byte 5; a name has no whitespace", &["12:1"]),
        ("\"attic\" is linked into this program; if it is in a dependency", &[]),
    ] {
        let message = found.iter().find(|message| message.contains(what)).expect(what);
        for place in places {
            assert!(message.contains(&format!("found_by_build.rs:{place}")), "{message}");
        }
        assert_eq!(message.matches(".rs:").count(), places.len(), "{message}");
    }
    assert!(found.iter().any(|message| message.contains("use that_crate as _;")), "{found:?}");
}
