//! Which spec owns a group.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{MAX_GRACE, Matching, Origin, PresenceSpec, pattern::Pattern};
use crate::{
    error::BuildProblem,
    group::{GroupName, MAX_GROUP_NAME_BYTES, bad_character},
};

/// Every spec of one `Realtime`, ready to be asked for the owner of a name.
///
/// An exact name comes first, then the longest literal prefix (a pattern counts with the
/// text before its first placeholder, and before a prefix of the same text), then the
/// predicates in order.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    exact: HashMap<String, Arc<PresenceSpec>>,
    heads: HashMap<String, Head>,
    /// The lengths of all heads, longest first, each once.
    lengths: Vec<usize>,
    predicates: Vec<Arc<PresenceSpec>>,
}

/// What is declared for names that start with one text.
#[derive(Debug, Default)]
struct Head {
    patterns: Vec<(Pattern, Arc<PresenceSpec>)>,
    prefix: Option<Arc<PresenceSpec>>,
}

impl Matcher {
    /// Takes the specs in, or says everything that is wrong with them.
    pub(crate) fn new(mut specs: Vec<PresenceSpec>) -> Result<Self, Vec<BuildProblem>> {
        // Predicates are asked in this order: declared ones by module path and line, then
        // those of the builder as they came (the sort is stable).
        specs.sort_by_key(|spec| match spec.origin {
            Origin::Declared(d) => (0, d.module_path, d.line, d.column),
            Origin::Builder(_) => (1, "", 0, 0),
        });
        let mut matcher = Self::default();
        let mut problems = Vec::new();
        for spec in specs {
            matcher.insert(&Arc::new(spec), &mut problems);
        }
        matcher.lengths = matcher.heads.keys().map(String::len).collect();
        matcher.lengths.sort_unstable_by(|a, b| b.cmp(a));
        matcher.lengths.dedup();
        if problems.is_empty() { Ok(matcher) } else { Err(problems) }
    }

    fn insert(&mut self, spec: &Arc<PresenceSpec>, problems: &mut Vec<BuildProblem>) {
        if spec.grace > MAX_GRACE {
            problems.push(BuildProblem::Grace { grace: spec.grace, place: spec.place() });
        }
        match &spec.matching {
            Matching::Exact(names) => self.insert_exact(names, spec, problems),
            Matching::Prefixes(prefixes) => self.insert_prefixes(prefixes, spec, problems),
            Matching::Pattern(pattern) => self.insert_pattern(*pattern, spec, problems),
            Matching::Predicate(_) => self.predicates.push(spec.clone()),
        }
    }

    fn insert_exact(
        &mut self,
        names: &[String],
        spec: &Arc<PresenceSpec>,
        problems: &mut Vec<BuildProblem>,
    ) {
        problems.extend(
            names
                .is_empty()
                .then(|| BuildProblem::NoText { kind: "exact name", place: spec.place() }),
        );
        for name in names {
            if let Err(error) = GroupName::new(name) {
                problems.push(BuildProblem::Name { error, place: spec.place() });
            }
            if let Some(first) = self.exact.get(name) {
                problems.push(BuildProblem::duplicate("exact name", name, first, spec));
            } else {
                self.exact.insert(name.clone(), spec.clone());
            }
        }
    }

    fn insert_prefixes(
        &mut self,
        prefixes: &[String],
        spec: &Arc<PresenceSpec>,
        problems: &mut Vec<BuildProblem>,
    ) {
        problems.extend(
            prefixes
                .is_empty()
                .then(|| BuildProblem::NoText { kind: "prefix", place: spec.place() }),
        );
        for prefix in prefixes {
            if let Some(fault) = prefix_fault(prefix) {
                problems.push(BuildProblem::Prefix {
                    prefix: prefix.clone(),
                    fault,
                    place: spec.place(),
                });
            }
            let head = self.heads.entry(prefix.clone()).or_default();
            if let Some(first) = &head.prefix {
                problems.push(BuildProblem::duplicate("prefix", prefix, first, spec));
            } else {
                head.prefix = Some(spec.clone());
            }
        }
    }

    fn insert_pattern(
        &mut self,
        pattern: Pattern,
        spec: &Arc<PresenceSpec>,
        problems: &mut Vec<BuildProblem>,
    ) {
        let head = self.heads.entry(pattern.head().to_owned()).or_default();
        for (first, owner) in &head.patterns {
            if first.overlaps(&pattern) {
                problems.push(BuildProblem::Overlap {
                    first: first.source,
                    first_place: owner.place(),
                    second: pattern.source,
                    second_place: spec.place(),
                });
            }
        }
        head.patterns.push((pattern, spec.clone()));
    }

    /// The spec that owns `name`, if any: without one the group has no presence.
    pub(crate) fn owner(&self, name: &GroupName) -> Option<Arc<PresenceSpec>> {
        let name = name.as_str();
        self.exact
            .get(name)
            .or_else(|| self.longest(name))
            .or_else(|| self.predicates.iter().find(|spec| predicate(spec, name)))
            .cloned()
    }

    fn longest(&self, name: &str) -> Option<&Arc<PresenceSpec>> {
        self.lengths.iter().find_map(|&length| {
            let (text, tail) = name.split_at_checked(length)?;
            self.heads.get(text)?.owner(name, tail)
        })
    }

    /// Whether a spec owns exactly the literal `text`, as a prefix, a pattern or a name.
    pub(crate) fn declares(&self, text: &str) -> bool {
        self.exact.contains_key(text)
            || self.heads.get(text).is_some_and(|head| head.prefix.is_some())
            || self
                .heads
                .values()
                .flat_map(|head| &head.patterns)
                .any(|(pattern, _)| pattern.source == text)
    }

    /// Whether no group at all can have presence.
    pub(crate) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.heads.is_empty() && self.predicates.is_empty()
    }
}

impl Head {
    /// The spec for `name`, of which `tail` is behind this text.
    fn owner(&self, name: &str, tail: &str) -> Option<&Arc<PresenceSpec>> {
        let of_a_pattern = self.patterns.iter().find(|(pattern, spec)| {
            pattern.parts(name).is_some_and(|parts| asked(spec, || spec.accepts(&parts)))
        });
        let of_prefix =
            || self.prefix.as_ref().filter(|spec| asked(spec, || spec.accepts(&[tail])));
        of_a_pattern.map(|(_, spec)| spec).or_else(of_prefix)
    }
}

fn predicate(spec: &PresenceSpec, name: &str) -> bool {
    match &spec.matching {
        Matching::Predicate(predicate) => asked(spec, || predicate(name)),
        _ => false,
    }
}

/// Asks the application's code; a panic there counts as a no.
fn asked(spec: &PresenceSpec, question: impl FnOnce() -> bool) -> bool {
    catch_unwind(AssertUnwindSafe(question)).unwrap_or_else(|_| {
        tracing::error!(spec = %spec.place(), "matching a group name panicked; taken as a no");
        false
    })
}

fn prefix_fault(prefix: &str) -> Option<String> {
    if prefix.is_empty() {
        return Some("it is empty and would match every group".into());
    }
    if prefix.starts_with('@') {
        return Some("names that start with '@' are the library's own".into());
    }
    if prefix.len() > MAX_GROUP_NAME_BYTES {
        return Some(format!(
            "it is longer than any name: {} bytes, where a name has at most {MAX_GROUP_NAME_BYTES}",
            prefix.len()
        ));
    }
    bad_character(prefix).map(|(at, character)| {
        format!("{character:?} at byte {at}; a name has no whitespace, control character or comma")
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::spec::{
        declared::{Declaration, DeclaredMatcher, DeclaredResolver},
        part::part,
    };

    fn owner(matcher: &Matcher, name: &str) -> Option<Duration> {
        let name = GroupName::new(name).unwrap();
        matcher.owner(&name).map(|spec| spec.grace)
    }

    /// Marks a spec, so that a test can tell which one owns a name.
    fn mark(spec: PresenceSpec, seconds: u64) -> PresenceSpec {
        spec.grace(Duration::from_secs(seconds))
    }

    fn declare(matcher: DeclaredMatcher, fields: &'static [fn(&str) -> bool]) -> PresenceSpec {
        PresenceSpec::declared(Box::leak(Box::new(Declaration {
            matcher,
            fields,
            resolver: DeclaredResolver::IdOnly,
            grace: Some(Duration::from_secs(9)),
            type_name: "Test",
            module_path: "test",
            docs: "",
            file: "test.rs",
            line: 1,
            column: 1,
        })))
    }

    fn pattern(source: &'static str, literals: &'static [&'static str]) -> DeclaredMatcher {
        DeclaredMatcher::Pattern(Pattern { source, literals, fields: &["id"] })
    }

    #[test]
    fn exact_beats_prefix_beats_predicate_and_the_longest_prefix_wins() {
        let matcher = Matcher::new(vec![
            mark(PresenceSpec::matching(|name| name.contains(':')), 1),
            mark(PresenceSpec::matching(|_| true), 2),
            mark(PresenceSpec::prefixes(["room:", "ro"]), 3),
            mark(PresenceSpec::prefixes(["room:vip:"]), 4),
            mark(PresenceSpec::exact(["room:vip:1"]), 5),
        ])
        .unwrap();
        for (name, seconds) in
            [("room:vip:1", 5), ("room:vip:2", 4), ("room:2", 3), ("rose", 3), ("x:y", 1), ("x", 2)]
        {
            assert_eq!(owner(&matcher, name), Some(Duration::from_secs(seconds)), "{name}");
        }
    }

    #[test]
    fn a_pattern_wins_a_tie_against_a_prefix_and_loses_to_a_longer_one() {
        let matcher = Matcher::new(vec![
            mark(PresenceSpec::prefixes(["game:"]), 1),
            mark(PresenceSpec::prefixes(["game:7"]), 2),
            declare(pattern("game:{id}:live", &["game:", ":live"]), &[]),
        ])
        .unwrap();
        assert_eq!(owner(&matcher, "game:8:live"), Some(Duration::from_secs(9)));
        assert_eq!(owner(&matcher, "game:8"), Some(Duration::from_secs(1)));
        assert_eq!(owner(&matcher, "game:7:live"), Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_name_outside_the_family_goes_to_the_next_spec() {
        static NUMBER: [fn(&str) -> bool; 1] = [part::<u64>().is];
        let matcher = Matcher::new(vec![
            declare(DeclaredMatcher::Prefixes(&["room:"]), &NUMBER),
            mark(PresenceSpec::prefixes(["ro"]), 1),
        ])
        .unwrap();
        assert_eq!(owner(&matcher, "room:7"), Some(Duration::from_secs(9)));
        assert_eq!(owner(&matcher, "room:x"), Some(Duration::from_secs(1)));
        assert_eq!(owner(&matcher, "lobby"), None);
    }

    #[test]
    fn a_predicate_that_panics_is_a_no() {
        let matcher = Matcher::new(vec![PresenceSpec::matching(|_| panic!("boom"))]).unwrap();
        assert_eq!(owner(&matcher, "room:7"), None);
    }

    #[test]
    fn a_prefix_that_cuts_a_character_is_no_match() {
        let matcher = Matcher::new(vec![PresenceSpec::prefixes(["abc"])]).unwrap();
        assert_eq!(owner(&matcher, "aéé"), None);
    }

    #[test]
    fn every_problem_is_reported_with_both_places() {
        let problems = Matcher::new(vec![
            PresenceSpec::prefixes(["room:"]),
            PresenceSpec::prefixes(["room:", "", "@x", "a b"]),
            PresenceSpec::exact(["lobby", "lobby"]),
            PresenceSpec::exact([""]),
            PresenceSpec::prefixes::<String>([]),
            PresenceSpec::matching(|_| true).grace(Duration::from_secs(601)),
            declare(pattern("d:{id}", &["d:", ""]), &[]),
            declare(pattern("d:{id}:x", &["d:", ":x"]), &[]),
        ])
        .unwrap_err();
        let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(text.len(), 9, "{text:#?}");
        let duplicate = text.iter().find(|t| t.contains("\"room:\"")).unwrap();
        assert_eq!(duplicate.matches("matcher.rs:").count(), 2, "{duplicate}");
    }
}
