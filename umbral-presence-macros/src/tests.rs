//! The attribute on tokens alone, without a compiler.

mod holds;

use std::{str::FromStr, time::Duration};

use proc_macro2::TokenStream;
use proptest::{collection, prelude::*, sample};
use serde_json::Value;
use syn::DeriveInput;

use self::holds::holds;
use crate::{
    args::{Args, keys::KEYS},
    assemble,
    diag::Problems,
    model::{Declaration, Matcher},
    name::{MAX_GRACE, MAX_NAME_BYTES, is_refused},
};

/// Shows the declaration to `look`, if there is one. Returns everything that is wrong.
fn read(attribute: &str, item: &str, look: impl FnOnce(&Declaration<'_>)) -> Vec<String> {
    let mut problems = Problems::new();
    let args = Args::read(TokenStream::from_str(attribute).unwrap(), &mut problems);
    let item: DeriveInput = syn::parse_str(item).unwrap();
    let target = assemble::target(&item, &mut problems);
    let declaration =
        target.as_ref().and_then(|target| assemble::declaration(target, args, &mut problems));
    assert_eq!(declaration.is_none(), !problems.is_empty(), "{attribute}");
    if let Some(declaration) = &declaration {
        look(declaration);
    }
    problems.messages()
}

fn problems(attribute: &str, item: &str) -> Vec<String> {
    read(attribute, item, |_| ())
}

#[test]
fn every_form_is_taken() {
    for (attribute, item) in [
        (r#"prefix = "room:""#, "struct Room;"),
        (r#"prefix = "room:""#, "struct Room(u64);"),
        (r#"prefix = ["room:"]"#, "struct Room(u64);"),
        (r#"prefix = ["a:", "b:",]"#, "struct Several;"),
        ("prefix = names::ROOM", "struct Room(u64);"),
        (r#"exact = "lobby""#, "struct Lobby;"),
        (r#"exact = ["lobby", "hall"]"#, "struct Places;"),
        ("exact = LOBBY", "struct Lobby;"),
        (r#"pattern = "org:{org}:doc:{doc}""#, "struct Doc { doc: String, org: u64 }"),
        (r#"pattern = "t:{type}""#, "struct Kind { r#type: u64 }"),
        ("matching = is_long", "struct Long;"),
        ("matching = is_long, batch_resolver = names::of_all, policy = is_open", "struct Long;"),
        ("matching = is_long::<A, B>, resolver = display::<A, Vec<B>>", "struct Long;"),
        (r#"prefix = "room:", resolver = display, grace = "2s", crate = a::b,"#, "struct Room;"),
    ] {
        assert_eq!(problems(attribute, item), [""; 0], "{attribute}");
    }
}

#[test]
fn a_pattern_is_cut_at_its_placeholders() {
    let item = "struct Doc { doc: String, org: u64 }";
    let found = read(r#"pattern = "org:{org}:doc:{doc}:é""#, item, |declaration| {
        let Matcher::Pattern(pattern) = &declaration.matcher else { panic!("a pattern") };
        assert_eq!(pattern.literals, ["org:", ":doc:", ":é"]);
        assert_eq!(pattern.fields, ["org", "doc"]);
    });
    assert_eq!(found, [""; 0]);
}

#[test]
fn the_grace_is_read_in_every_unit() {
    for (text, millis) in
        [("0s", 0), ("0ms", 0), ("500ms", 500), ("2s", 2_000), ("1m", 60_000), ("10m", 600_000)]
    {
        let found = read(&format!("exact = \"a\", grace = {text:?}"), "struct A;", |a| {
            assert_eq!(a.grace, Some(Duration::from_millis(millis)), "{text}");
        });
        assert_eq!(found, [""; 0]);
    }
    for text in ["", "s", "2", "2 s", "2S", "-1s", "1.5s", "2h", "+2s", "601s", "600001ms", "１s"]
        .into_iter()
        .chain(["18446744073709551615m", "99999999999999999999999s"])
    {
        let found = problems(&format!("exact = \"a\", grace = {text:?}"), "struct A;");
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with(&format!("{text:?}")), "{found:?}");
    }
}

#[test]
fn the_docs_lose_one_space_of_each_line() {
    for (item, docs) in [
        ("/// One.\n///\n///   Two.\nstruct A;", "One.\n\n  Two."),
        ("/** One.\n Two. */ struct A;", "One.\nTwo. "),
        ("#[doc(hidden)] #[doc = concat!()] #[derive(Debug)] struct A;", ""),
    ] {
        let found = read("prefix = \"a:\"", item, |a| assert_eq!(a.target.docs, docs));
        assert_eq!(found, [""; 0]);
    }
}

/// The cases of names, which the tests of the runtime and of the client read too.
fn vectors() -> Value {
    serde_json::from_str(include_str!("../../tests/vectors/names.json")).unwrap()
}

#[test]
fn names_are_taken_and_refused_as_by_the_runtime_and_the_client() {
    let vectors = vectors();
    for case in vectors["names"].as_array().unwrap() {
        let times = usize::try_from(case["times"].as_u64().unwrap()).unwrap();
        let name = case["text"].as_str().unwrap().repeat(times);
        let found = problems(&format!("exact = {name:?}"), "struct A;");
        assert_eq!(found.is_empty(), case["good"], "{name:?}: {found:?}");
    }
    assert_eq!(vectors["most_bytes"], MAX_NAME_BYTES);
    assert_eq!(vectors["most_grace_seconds"], MAX_GRACE.as_secs());
    let most = MAX_GRACE.as_secs() / 60;
    let found = problems(&format!("exact = \"a\", grace = \"{}m\"", most + 1), "struct A;");
    assert!(found[0].ends_with(&format!("at most `\"{most}m\"`")), "{found:?}");
}

#[test]
fn characters_are_taken_and_refused_as_by_the_runtime_and_the_client() {
    let vectors = vectors();
    let point = |text: &Value| u32::from_str_radix(text.as_str().unwrap(), 16).unwrap();
    let refused = vectors["refused"].as_array().unwrap();
    let refused: Vec<_> = refused.iter().map(|range| point(&range[0])..=point(&range[1])).collect();
    for c in '\0'..=char::MAX {
        let expected = refused.iter().any(|range| range.contains(&u32::from(c)));
        assert_eq!(is_refused(c), expected, "{}", c.escape_unicode());
    }
    // The message shows an invisible character by its number.
    let found = problems("prefix = \"a\u{3164}\"", "struct A;");
    assert!(found[0].starts_with("'\\u{3164}' at byte 1"), "{found:?}");
}

#[test]
fn all_mistakes_are_reported_together() {
    let attribute = r#"perfix = 1, prefix = ["a b", 5, "", "@x", "c", "cd", "c"], grace = "x""#;
    let found = problems(attribute, "struct Room<T>(T);");
    for part in [
        "unknown key `perfix`; did you mean `prefix`?",
        "no generic parameters",
        "\"x\" is not a duration",
        "`5` is no text in quotes",
        "' ' at byte 1",
        "an empty prefix",
        "write \"x\", say",
        "\"c\" stands in this list twice",
        "\"cd\" is covered by \"c\"",
    ] {
        let hits = found.iter().filter(|message| message.contains(part)).count();
        assert_eq!(hits, 1, "{part}: {found:#?}");
    }
}

#[test]
fn all_mistakes_of_a_pattern_are_reported_together() {
    let found = problems(r#"pattern = "{a}{a}:{}:{b c}""#, "struct Doc { a: u64 }");
    for part in ["begins with text", "nothing stands", "twice", "no name", "`{b c}`", "' ' at"] {
        assert!(found.iter().any(|message| message.contains(part)), "{part}: {found:#?}");
    }
}

#[test]
fn a_missing_comma_hides_nothing() {
    let found = problems(r#"prefix = "room:" grace = "soon" resolvr = x"#, "struct Room;");
    assert_eq!(found.len(), 4, "{found:#?}");
    assert_eq!(found[0], "a comma is missing before this key");
    assert!(found[2].contains("did you mean `resolver`?"), "{found:#?}");
}

#[test]
fn a_pattern_is_as_long_as_its_shortest_name() {
    let doc = |head: usize| {
        let pattern = format!("pattern = \"{}{{a_rather_long_name}}\"", "x".repeat(head));
        problems(&pattern, "struct Doc { a_rather_long_name: u64 }")
    };
    assert_eq!(doc(199), [""; 0]);
    assert_eq!(doc(200), ["201 bytes; a group's name has at most 200"]);
}

/// Tokens that may come beside the keys.
const ODD: &[&str] = &[
    "r#crate",
    "=",
    "=",
    "=",
    "=",
    ",",
    ",",
    "\"room:\"",
    "\"\"",
    "\"a{b}\"",
    "\"{\"",
    "\"}\"",
    "\"{é}{\"",
    "\"@\"",
    "\"\\u{0}\"",
    "\"2s\"",
    "\"2s\"x",
    "b\"x\"",
    "c\"x\"",
    "'c'",
    "'a",
    "1",
    "-1",
    "1.5e3",
    "0u8",
    "::",
    "a::b",
    "<",
    ">",
    "::<",
    "->",
    "[]",
    "[\"a\", \"b\",]",
    "[\"a\" \"b\"]",
    "[,]",
    "(1, 2)",
    "{ }",
    "!",
    "#",
    "$",
    "..",
    "_",
    "self",
    "Self",
    "fn",
    "struct",
    "r#\"x\"#",
    "|",
    "é",
];

const ITEMS: &[&str] = &[
    "struct A;",
    "struct A(u64);",
    "struct A();",
    "struct A {}",
    "pub(crate) struct A { b: u64 }",
    "struct A { r#type: u64, b: String }",
    "struct A<'a, const N: usize, T: Copy>(&'a [T; N]) where T: Clone;",
    "struct A where u8: Copy;",
    "#[presence] #[a::presence(x)] #[presence = 1] struct A;",
    "enum A { B }",
    "union A { b: u8 }",
    "/// Docs\n pub const unsafe fn a() {}",
    "impl A { fn b() {} }",
    "use a::b;",
    "struct A { b }",
    "",
];

/// Tokens in any order, inside of brackets of any kind and depth.
fn tokens() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        8 => sample::select([&KEYS[..], ODD].concat()).prop_map(str::to_owned),
        1 => any::<String>().prop_map(|text| format!("{text:?}")),
        1 => any::<u32>().prop_map(|number| number.to_string()),
        1 => "\\PC{0,6}",
    ];
    let joined = |tokens: Vec<String>| tokens.join(" ");
    leaf.prop_recursive(3, 40, 8, move |inner| {
        let brackets = sample::select(&[["(", ")"], ["[", "]"], ["{", "}"], ["", ""]][..]);
        (brackets, collection::vec(inner, 0..8))
            .prop_map(move |([open, close], tokens)| format!("{open}{}{close}", joined(tokens)))
    })
}

/// Texts that may look like a value of a key.
fn texts() -> impl Strategy<Value = String> {
    let bits = ["{", "}", "a", "é", ":", "{a}", "{b}", "\u{2003}", "9", "ms", "s", "m", "-", "\0"];
    let odd = collection::vec(sample::select(bits.to_vec()), 0..9).prop_map(|bits| bits.concat());
    prop_oneof![3 => odd, 1 => any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tokens_are_expanded_or_named_at_their_place(
        attribute in collection::vec(tokens(), 0..8),
        item in prop_oneof![8 => sample::select(ITEMS).prop_map(str::to_owned), 1 => tokens()],
    ) {
        holds(&attribute.join(" "), &item);
    }

    #[test]
    fn any_text_is_expanded_or_named_at_its_place(
        key in sample::select(&KEYS[..]),
        texts in collection::vec(texts(), 1..4),
        item in sample::select(ITEMS),
    ) {
        let (one, many) = (format!("{key} = {:?}", texts[0]), format!("{key} = {texts:?}, grace = 2"));
        prop_assert!(holds(&one, item) && holds(&many, item));
    }

    #[test]
    fn any_characters_are_expanded_or_named_at_their_place(attribute: String, item: String) {
        holds(&attribute, &item);
        holds(&attribute, "struct A;");
    }
}

#[test]
fn what_is_wrong_in_one_place_is_named_there() {
    assert!(holds("prefix = \"a:\"", "struct A;"));
    assert!(!holds(") ] struct B; #[presence(", "struct A;"));
}
