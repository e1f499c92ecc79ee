//! What it costs to find the spec that owns a group, among a thousand declarations: once
//! per group, not per join.

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use umbral_presence::{
    __private::{Owners, part},
    Declaration, DeclaredMatcher, DeclaredResolver, GroupName, Pattern,
};

fn is_markdown(name: &str) -> bool {
    name.ends_with(".md")
}

fn leaked(text: String) -> &'static str {
    text.leak()
}

fn declaration(
    matcher: DeclaredMatcher,
    fields: &'static [fn(&str) -> bool],
) -> &'static Declaration {
    Box::leak(Box::new(Declaration {
        matcher,
        fields,
        resolver: DeclaredResolver::IdOnly,
        policy: None,
        grace: Some(Duration::from_secs(3)),
        type_name: "Bench",
        module_path: module_path!(),
        docs: "",
        file: file!(),
        line: line!(),
        column: column!(),
    }))
}

/// 330 prefixes with a number behind each, 330 prefixes alone, 330 patterns with a number
/// and a text, and 10 predicates.
fn declarations() -> Vec<&'static Declaration> {
    static NUMBER: [fn(&str) -> bool; 1] = [part::<u64>().is];
    static NUMBER_AND_TEXT: [fn(&str) -> bool; 2] = [part::<u64>().is, part::<String>().is];
    let prefix = |text| DeclaredMatcher::Prefixes(Box::leak(Box::new([text])));
    let mut all = Vec::new();
    for i in 0..330 {
        all.push(declaration(prefix(leaked(format!("room{i}:"))), &NUMBER));
        all.push(declaration(prefix(leaked(format!("channel{i}:"))), &[]));
        let literals = Box::leak(Box::new([leaked(format!("org{i}:")), ":doc:", ""]));
        let source = leaked(format!("org{i}:{{org}}:doc:{{doc}}"));
        let pattern = Pattern { source, literals, fields: &["org", "doc"] };
        all.push(declaration(DeclaredMatcher::Pattern(pattern), &NUMBER_AND_TEXT));
    }
    all.extend((0..10).map(|_| declaration(DeclaredMatcher::Matching(is_markdown), &[])));
    assert_eq!(all.len(), 1000);
    all
}

fn matching(criterion: &mut Criterion) {
    let owners = Owners::new(declarations()).expect("nothing is declared twice");
    let mut group = criterion.benchmark_group("matching");
    for (what, name, is_owned) in [
        ("prefix", "channel123:general", true),
        ("prefix_with_a_number", "room123:4711", true),
        ("pattern", "org123:42:doc:budget", true),
        ("predicate", "notes/readme.md", true),
        ("nobody", "somewhere:else", false),
    ] {
        let name = GroupName::new(name).expect("a name");
        assert_eq!(owners.owns(&name), is_owned, "{name}");
        group.bench_function(what, |bencher| bencher.iter(|| owners.owns(black_box(&name))));
    }
    group.finish();
}

criterion_group!(benches, matching);
criterion_main!(benches);
