//! The attribute on tokens alone, without a compiler.

use std::{str::FromStr, time::Duration};

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::{
    args::Args,
    diag::Problems,
    expand,
    model::{Declaration, Matcher, Target},
};

/// Shows the declaration to `look`, where there is one; gives back everything that is wrong.
fn read(attribute: &str, item: &str, look: impl FnOnce(&Declaration<'_>)) -> Vec<String> {
    let mut problems = Problems::new();
    let args = Args::read(TokenStream::from_str(attribute).unwrap(), &mut problems);
    let item: DeriveInput = syn::parse_str(item).unwrap();
    let declaration = Target::read(&item, &mut problems)
        .and_then(|target| Declaration::new(target, args, &mut problems));
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
        ("matching = is_long, batch_resolver = names::of_all", "struct Long;"),
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

/// Numbers that look random and are the same every time.
struct Draw(u64);

impl Draw {
    fn one<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        choices[usize::try_from(self.0 >> 33).unwrap() % choices.len()]
    }
}

const ODD: &[&str] = &[
    "prefix",
    "exact",
    "pattern",
    "matching",
    "resolver",
    "grace",
    "crate",
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
    "[",
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

#[test]
fn odd_tokens_never_panic() {
    let mut draw = Draw(7);
    let mut read = 0;
    for round in 0..4_000 {
        let attribute: Vec<_> = (0..round % 14).map(|_| draw.one(ODD)).collect();
        // A lone bracket or what is not a token at all never reaches the macro.
        let Ok(attribute) = TokenStream::from_str(&attribute.join(" ")) else { continue };
        let item = TokenStream::from_str(draw.one(ITEMS)).unwrap();
        let output = expand::presence(attribute, &item).to_string();
        let name = item.into_iter().last().map(|token| token.to_string()).unwrap_or_default();
        assert!(output.contains(&name), "the item is given back: {output}");
        read += 1;
    }
    assert!(read > 500, "{read}");
}

#[test]
fn odd_texts_never_panic() {
    let mut draw = Draw(3);
    let bits = ["{", "}", "a", "é", ":", "{a}", "{b}", "\u{2003}", "9", "ms", "s", "m", "-", "\0"];
    for round in 0..2_000 {
        let text: String = (0..round % 9).map(|_| draw.one(&bits)).collect();
        for key in ["pattern", "grace", "prefix", "exact"] {
            let attribute = TokenStream::from_str(&format!("{key} = {text:?}")).unwrap();
            for item in ["struct A;", "struct A { a: u64, b: u64 }"] {
                expand::presence(attribute.clone(), &TokenStream::from_str(item).unwrap());
            }
        }
    }
}
