//! Which spec owns a group.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    MAX_GRACE, Matching, PresenceSpec, SpecSource, pattern::Pattern, problem::SpecProblem,
};
use crate::{
    figures::Declarations,
    hash::KeyedMap,
    invisible::Shown,
    journal::Panics,
    name::{GroupName, MAX_GROUP_NAME_BYTES, bad_character},
    sync::assert_unlocked,
};

/// Every spec of one `Realtime`. It finds the owner of a name.
///
/// An exact name comes first, then the longest literal prefix, then the predicates in order. A
/// pattern counts with the text before its first placeholder, and comes before a prefix of the
/// same text.
#[derive(Debug, Default)]
pub(crate) struct Matcher {
    exact: KeyedMap<String, Arc<PresenceSpec>>,
    /// Sorted by their texts, so that one search finds every head that a name begins with.
    heads: Vec<Head>,
    predicates: Vec<Arc<PresenceSpec>>,
    /// Whether any of them says who may join.
    pub(crate) has_policies: bool,
    declarations: Declarations,
    panics: Panics,
}

/// A declaration with a policy may own a group, and whether it does is not known, because the
/// application's code panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Undecided;

/// A name whose owner is looked for.
struct Search<'a> {
    name: &'a str,
    panics: &'a Panics,
    has_panicked: Cell<bool>,
}

/// The patterns and the prefix that begin with one text.
#[derive(Debug, Default)]
struct Head {
    text: String,
    /// The first bytes of the text as a number, so that most comparisons need not read the text.
    beginning: u64,
    /// The longest other head that this text begins with.
    shorter: Option<usize>,
    patterns: Vec<(Pattern, Arc<PresenceSpec>)>,
    prefix: Option<Arc<PresenceSpec>>,
}

impl Matcher {
    /// Takes the specs. Returns everything that is wrong with them too.
    pub(crate) fn new(mut specs: Vec<PresenceSpec>) -> (Self, Vec<SpecProblem>) {
        // Predicates are asked in this order: the declared ones by module path and line, then
        // the builder's in the order of the calls, which a stable sort keeps.
        specs.sort_by_key(|spec| match spec.origin {
            SpecSource::Attribute(d) => (0, d.module_path, d.line, d.column),
            SpecSource::Builder(_) => (1, "", 0, 0),
        });
        let has_policies = specs.iter().any(|spec| spec.policy.is_some());
        let mut matcher = Self { has_policies, ..Self::default() };
        let mut problems = Vec::new();
        for mut spec in specs {
            // A clone may be in another `Realtime`, whose figures are its own.
            spec.figures = matcher.declarations.add(|| spec.title());
            matcher.insert(&Arc::new(spec), &mut problems);
        }
        matcher.link();
        (matcher, problems)
    }

    /// The figures of all declarations.
    #[cfg(feature = "metrics")]
    pub(crate) fn declarations(&self) -> &Declarations {
        &self.declarations
    }

    fn insert(&mut self, spec: &Arc<PresenceSpec>, problems: &mut Vec<SpecProblem>) {
        if spec.grace > MAX_GRACE {
            problems.push(SpecProblem::Grace { grace: spec.grace, place: spec.place() });
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
        problems: &mut Vec<SpecProblem>,
    ) {
        problems.extend(
            names
                .is_empty()
                .then(|| SpecProblem::NoText { kind: "exact name", place: spec.place() }),
        );
        for name in names {
            if let Err(error) = GroupName::new(name) {
                problems.push(SpecProblem::Name { error, place: spec.place() });
            }
            if let Some(first) = self.exact.get(name) {
                problems.push(duplicate("exact name", name, first, spec));
            } else {
                self.exact.insert(name.clone(), spec.clone());
            }
        }
    }

    fn insert_prefixes(
        &mut self,
        prefixes: &[String],
        spec: &Arc<PresenceSpec>,
        problems: &mut Vec<SpecProblem>,
    ) {
        problems.extend(
            prefixes
                .is_empty()
                .then(|| SpecProblem::NoText { kind: "prefix", place: spec.place() }),
        );
        for prefix in prefixes {
            if let Some(fault) = prefix_fault(prefix) {
                problems.push(SpecProblem::Prefix {
                    prefix: prefix.clone(),
                    fault,
                    place: spec.place(),
                });
            }
            let head = self.head(prefix);
            if let Some(first) = &head.prefix {
                problems.push(duplicate("prefix", prefix, first, spec));
            } else {
                head.prefix = Some(spec.clone());
            }
        }
    }

    fn insert_pattern(
        &mut self,
        pattern: Pattern,
        spec: &Arc<PresenceSpec>,
        problems: &mut Vec<SpecProblem>,
    ) {
        let head = self.head(pattern.head());
        for (first, owner) in &head.patterns {
            if first.overlaps(&pattern) {
                problems.push(SpecProblem::Overlap {
                    first: first.source,
                    first_place: owner.place(),
                    second: pattern.source,
                    second_place: spec.place(),
                });
            }
        }
        head.patterns.push((pattern, spec.clone()));
    }

    fn find(&self, text: &str) -> Result<usize, usize> {
        let beginning = beginning(text);
        self.heads.binary_search_by(|head| {
            head.beginning.cmp(&beginning).then_with(|| head.text.as_str().cmp(text))
        })
    }

    /// The head of this text. It is added if there is none.
    fn head(&mut self, text: &str) -> &mut Head {
        let at = self.find(text).unwrap_or_else(|at| {
            self.heads.insert(
                at,
                Head { text: text.to_owned(), beginning: beginning(text), ..Head::default() },
            );
            at
        });
        &mut self.heads[at]
    }

    /// Links each head to the longest one that it begins with.
    fn link(&mut self) {
        let mut open: Vec<usize> = Vec::new();
        for i in 0..self.heads.len() {
            let begins = |&j: &usize| self.heads[i].text.starts_with(&self.heads[j].text);
            while open.last().is_some_and(|j| !begins(j)) {
                open.pop();
            }
            self.heads[i].shorter = open.last().copied();
            open.push(i);
        }
    }

    /// The spec that owns `name`. A group without one has no presence, and neither has one whose
    /// owner is not known.
    pub(crate) fn owner(&self, name: &GroupName) -> Option<Arc<PresenceSpec>> {
        self.decide(name).unwrap_or_default()
    }

    /// The spec that owns `name`. A panic of the application's code counts as a no where no
    /// declaration has a policy, which it could pass over.
    pub(crate) fn decide(&self, name: &GroupName) -> Result<Option<Arc<PresenceSpec>>, Undecided> {
        let name = name.as_str();
        let search = Search { name, panics: &self.panics, has_panicked: Cell::new(false) };
        let owner = self
            .exact
            .get(name)
            .or_else(|| self.longest(&search))
            .or_else(|| self.predicates.iter().find(|spec| predicate(spec, &search)));
        if search.has_panicked.get() && self.has_policies {
            return Err(Undecided);
        }
        Ok(owner.cloned())
    }

    /// The spec of the longest head that the name begins with and that takes it.
    ///
    /// The search begins at the last head that is not sorted after the name. Every head that the
    /// name begins with is that one, or one that it links to.
    fn longest(&self, search: &Search<'_>) -> Option<&Arc<PresenceSpec>> {
        let name = search.name;
        let mut at = match self.find(name) {
            Ok(at) => Some(at),
            Err(behind) => behind.checked_sub(1),
        };
        while let Some(i) = at {
            let head = &self.heads[i];
            let tail = name.strip_prefix(head.text.as_str());
            if let Some(spec) = tail.and_then(|tail| head.owner(search, tail)) {
                return Some(spec);
            }
            at = head.shorter;
        }
        None
    }

    /// Whether `text` is declared as an exact name, a prefix or a pattern.
    pub(crate) fn declares(&self, text: &str) -> bool {
        self.exact.contains_key(text)
            || self.find(text).is_ok_and(|at| self.heads[at].prefix.is_some())
            || self
                .heads
                .iter()
                .flat_map(|head| &head.patterns)
                .any(|(pattern, _)| pattern.source == text)
    }

    /// Whether nothing is declared.
    pub(crate) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.heads.is_empty() && self.predicates.is_empty()
    }
}

impl Head {
    /// The spec that takes the name, which is this text and `tail`.
    fn owner(&self, search: &Search<'_>, tail: &str) -> Option<&Arc<PresenceSpec>> {
        let fits = |pattern: &Pattern, spec: &PresenceSpec| {
            let mut fields = 0..;
            pattern.cut(search.name, |part| fields.next().is_some_and(|i| spec.accepts(i, part)))
        };
        let takes =
            |(pattern, spec): &&(_, Arc<PresenceSpec>)| search.ask(spec, || fits(pattern, spec));
        let of_a_pattern = self.patterns.iter().find(takes);
        let of_prefix =
            || self.prefix.as_ref().filter(|spec| search.ask(spec, || spec.accepts(0, tail)));
        of_a_pattern.map(|(_, spec)| spec).or_else(of_prefix)
    }
}

/// `second` declares what `first` has declared already.
fn duplicate(
    kind: &'static str,
    text: &str,
    first: &PresenceSpec,
    second: &PresenceSpec,
) -> SpecProblem {
    let (first, second) = (first.place(), second.place());
    SpecProblem::Duplicate { kind, text: text.to_owned(), first, second }
}

/// The first eight bytes of a text, as a number with the same order.
fn beginning(text: &str) -> u64 {
    let mut bytes = [0; 8];
    let length = text.len().min(bytes.len());
    bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
    u64::from_be_bytes(bytes)
}

fn predicate(spec: &PresenceSpec, search: &Search<'_>) -> bool {
    match &spec.matching {
        Matching::Predicate(predicate) => search.ask(spec, || predicate(search.name)),
        _ => false,
    }
}

impl Search<'_> {
    /// Asks the application's code. A panic is noted.
    fn ask(&self, spec: &PresenceSpec, question: impl FnOnce() -> bool) -> bool {
        assert_unlocked();
        catch_unwind(AssertUnwindSafe(question)).unwrap_or_else(|_| {
            self.has_panicked.set(true);
            self.panics.note(self.name, spec.place());
            false
        })
    }
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
        let character = Shown(character);
        format!("{character} at byte {at}; a name has no whitespace, invisible character or comma")
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

    fn matcher(specs: Vec<PresenceSpec>) -> Matcher {
        let (matcher, problems) = Matcher::new(specs);
        assert!(problems.is_empty(), "{problems:?}");
        matcher
    }

    fn owner(matcher: &Matcher, name: &str) -> Option<Duration> {
        let name = GroupName::new(name).unwrap();
        matcher.owner(&name).map(|spec| spec.grace)
    }

    /// Marks a spec by its grace, so that a test sees which spec owns a name.
    fn mark(spec: PresenceSpec, seconds: u64) -> PresenceSpec {
        spec.grace(Duration::from_secs(seconds))
    }

    fn declare(matcher: DeclaredMatcher, fields: &'static [fn(&str) -> bool]) -> PresenceSpec {
        PresenceSpec::declared(Box::leak(Box::new(Declaration {
            matcher,
            fields,
            resolver: DeclaredResolver::IdOnly,
            policy: None,
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
        let matcher = matcher(vec![
            mark(PresenceSpec::matching(|name| name.contains(':')), 1),
            mark(PresenceSpec::matching(|_| true), 2),
            mark(PresenceSpec::prefixes(["room:", "ro"]), 3),
            mark(PresenceSpec::prefixes(["room:vip:"]), 4),
            mark(PresenceSpec::exact(["room:vip:1"]), 5),
        ]);
        for (name, seconds) in
            [("room:vip:1", 5), ("room:vip:2", 4), ("room:2", 3), ("rose", 3), ("x:y", 1), ("x", 2)]
        {
            assert_eq!(owner(&matcher, name), Some(Duration::from_secs(seconds)), "{name}");
        }
    }

    #[test]
    fn a_pattern_wins_a_tie_against_a_prefix_and_loses_to_a_longer_one() {
        let matcher = matcher(vec![
            mark(PresenceSpec::prefixes(["game:"]), 1),
            mark(PresenceSpec::prefixes(["game:7"]), 2),
            declare(pattern("game:{id}:live", &["game:", ":live"]), &[]),
        ]);
        assert_eq!(owner(&matcher, "game:8:live"), Some(Duration::from_secs(9)));
        assert_eq!(owner(&matcher, "game:8"), Some(Duration::from_secs(1)));
        assert_eq!(owner(&matcher, "game:7:live"), Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_name_outside_the_family_goes_to_the_next_spec() {
        static NUMBER: [fn(&str) -> bool; 1] = [part::<u64>().is];
        let matcher = matcher(vec![
            declare(DeclaredMatcher::Prefixes(&["room:"]), &NUMBER),
            mark(PresenceSpec::prefixes(["ro"]), 1),
        ]);
        assert_eq!(owner(&matcher, "room:7"), Some(Duration::from_secs(9)));
        assert_eq!(owner(&matcher, "room:x"), Some(Duration::from_secs(1)));
        assert_eq!(owner(&matcher, "lobby"), None);
    }

    #[test]
    fn the_longest_prefix_is_found_among_all_that_begin_a_name() {
        let all: Vec<String> = ["a", "b", "é"]
            .iter()
            .flat_map(|a| ["", "a", "b", "ab", "é:"].map(|b| format!("{a}{b}")))
            .filter(|text| !["ba", "éb"].contains(&text.as_str()))
            .collect();
        let texts: std::collections::BTreeSet<String> = all.into_iter().collect();
        let specs = texts.iter().zip(0..).map(|(text, i)| mark(PresenceSpec::prefixes([text]), i));
        let matcher = matcher(specs.collect());
        for name in texts.iter().flat_map(|text| ["", "a", "b", "z", "é"].map(|b| text.clone() + b))
        {
            let begin = texts.iter().zip(0..).filter(|(text, _)| name.starts_with(*text));
            let longest = begin.max_by_key(|(text, _)| text.len()).map(|(_, i)| i);
            assert_eq!(owner(&matcher, &name), longest.map(Duration::from_secs), "{name}");
        }
        assert_eq!(owner(&matcher, "z"), None);
    }

    #[test]
    fn a_predicate_that_panics_is_a_no() {
        let matcher = matcher(vec![PresenceSpec::matching(|_| panic!("boom"))]);
        assert_eq!(owner(&matcher, "room:7"), None);
    }

    #[test]
    fn a_prefix_that_cuts_a_character_is_no_match() {
        let matcher = matcher(vec![PresenceSpec::prefixes(["abc"])]);
        assert_eq!(owner(&matcher, "aéé"), None);
    }

    #[test]
    fn every_problem_is_reported_with_both_places() {
        let (_, problems) = Matcher::new(vec![
            PresenceSpec::prefixes(["room:"]),
            PresenceSpec::prefixes(["room:", "", "@x", "a b"]),
            PresenceSpec::exact(["lobby", "lobby"]),
            PresenceSpec::exact([""]),
            PresenceSpec::prefixes::<String>([]),
            PresenceSpec::matching(|_| true).grace(Duration::from_secs(601)),
            declare(pattern("d:{id}", &["d:", ""]), &[]),
            declare(pattern("d:{id}:x", &["d:", ":x"]), &[]),
        ]);
        let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(text.len(), 9, "{text:#?}");
        let duplicate = text.iter().find(|t| t.contains("\"room:\"")).unwrap();
        assert_eq!(duplicate.matches("matcher.rs:").count(), 2, "{duplicate}");
    }
}
