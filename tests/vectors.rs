//! The cases of `vectors/`, which the browser client's tests read too: both fold the same
//! frames to the same roster.

use serde::Deserialize;
use serde_json::Value;
use tests::{Fold, Frame};

#[derive(Deserialize)]
struct Case {
    name: String,
    frames: Vec<Frame>,
    members: Vec<(u64, Value)>,
    version: u64,
}

#[test]
fn frames_fold_to_the_roster_of_the_case() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("vectors/roster.json")).unwrap();
    assert!(!cases.is_empty());
    for Case { name, frames, members, version } in cases {
        let mut roster = Fold::of("room:1");
        for frame in &frames {
            // Some are of a reconnect, whose snapshot may be of an earlier version.
            if frame.event == "presence:sync" {
                roster.expect_snapshot();
            }
            roster.take(frame);
        }
        assert_eq!(roster.members(), members, "{name}");
        assert_eq!(roster.version(), Some(version), "{name}");
    }
}
