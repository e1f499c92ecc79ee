//! The cases of `vectors/`, which the browser client's tests read too: both fold the same
//! frames to the same roster.

use serde::Deserialize;
use serde_json::Value;
use tests::{Fold, Frame};
use umbral_presence::{GroupName, MAX_GRACE, MAX_GROUP_NAME_BYTES, MAX_USER_ID_BYTES, UserId};

#[derive(Deserialize)]
struct Case {
    name: String,
    frames: Vec<Frame>,
    members: Vec<(u64, Value)>,
    version: u64,
}

#[test]
fn frames_fold_to_the_roster_of_the_case() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../vectors/roster.json")).unwrap();
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

/// The rules of names, which the attribute and the browser's client read too.
#[derive(Deserialize)]
struct Names {
    most_bytes: usize,
    most_grace_seconds: u64,
    refused: Vec<[String; 2]>,
    but_in_ids: Vec<char>,
    names: Vec<Name>,
}

#[derive(Deserialize)]
struct Name {
    text: String,
    times: usize,
    good: bool,
}

fn names() -> Names {
    serde_json::from_str(include_str!("../../vectors/names.json")).expect("JSON")
}

#[test]
fn names_are_taken_and_refused_as_by_the_attribute_and_the_client() {
    let rules = names();
    for Name { text, times, good } in rules.names {
        let name = text.repeat(times);
        assert_eq!(GroupName::new(&name).is_ok(), good, "{name:?}");
    }
    assert_eq!(rules.most_bytes, MAX_GROUP_NAME_BYTES);
    assert_eq!(rules.most_bytes, MAX_USER_ID_BYTES);
    assert_eq!(rules.most_grace_seconds, MAX_GRACE.as_secs());
}

/// Texts that cannot be made from the constants.
#[test]
fn texts_name_the_bounds_that_hold() {
    let Names { most_bytes, most_grace_seconds, .. } = names();
    let client = include_str!("../../../umbral-presence/client/client.js");
    assert!(client.contains(&format!("1 to {most_bytes} bytes")));
    let grace = format!("at most `\"{}m\"`", most_grace_seconds / 60);
    for text in [
        include_str!("../../../README.md"),
        include_str!("../../../umbral-presence/src/attribute.md"),
        include_str!("../../../umbral-presence-macros/src/lib.rs"),
    ] {
        assert!(text.contains(&grace), "{grace}");
    }
}

#[test]
fn characters_are_taken_and_refused_as_by_the_attribute_and_the_client() {
    let Names { refused, but_in_ids, .. } = names();
    let point = |text: &str| u32::from_str_radix(text, 16).unwrap();
    let refused: Vec<_> = refused.iter().map(|[first, last]| point(first)..=point(last)).collect();
    for c in '\0'..=char::MAX {
        let is_refused = refused.iter().any(|range| range.contains(&u32::from(c)));
        let name = format!("a{c}b");
        let shown = c.escape_unicode();
        assert_eq!(GroupName::new(&name).is_err(), is_refused, "{shown}");
        let is_refused = is_refused && !but_in_ids.contains(&c);
        assert_eq!(UserId::new(&name).is_err(), is_refused, "{shown}");
    }
}
