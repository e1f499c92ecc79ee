//! The guide shows code of this example, which compiles here.

const PAGE: &str = include_str!("../../../../umbral-presence/docs/access.md");
const SOURCES: [&str; 3] = [
    include_str!("../../src/identity.rs"),
    include_str!("../../src/sign_in.rs"),
    include_str!("../../src/issuer.rs"),
];

/// What stands between the markers `// guide: …` and `// guide: end`, without the indentation.
fn pieces(source: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut lines = source.lines();
    while let Some(marker) = lines.find(|line| line.trim_start().starts_with("// guide: ")) {
        let indentation = marker.len() - marker.trim_start().len();
        let piece = lines.by_ref().take_while(|line| line.trim() != "// guide: end");
        let piece = piece.map(|line| line.get(indentation..).unwrap_or_default());
        pieces.push(piece.collect::<Vec<_>>().join("\n"));
    }
    pieces
}

#[test]
fn the_guide_shows_what_the_example_does() {
    let mut shown = 0;
    for piece in SOURCES.into_iter().flat_map(pieces) {
        assert!(
            PAGE.contains(&format!("```ignore\n{piece}\n```")),
            "docs/access.md lacks:\n{piece}"
        );
        shown += 1;
    }
    assert_eq!(PAGE.matches("```ignore\n").count(), shown, "all that is not compiled is from here");
}
