//! The rules of which keys go together.

use syn::Ident;

use crate::diag::Problems;

/// Exactly one key says which groups are meant. Returns whether that holds.
pub(crate) fn one_matcher<'a>(
    given: impl Iterator<Item = &'a Ident>,
    target: &Ident,
    problems: &mut Problems,
) -> bool {
    let given: Vec<_> = given.collect();
    match given.as_slice() {
        // Another error may be about the key that is missing here.
        [] if problems.is_empty() => problems.at_attribute(format!(
            "which groups is `{target}` for? Give one of `prefix = \"room:\"`, \
             `exact = \"lobby\"`, `pattern = \"doc:{{id}}\"` or `matching = a_function`"
        )),
        [] | [_] => {}
        several => {
            let names = several.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>();
            let names = names.join(" and ");
            for key in several {
                problems.at(key, format!("{names} are given; give one of them only"));
            }
        }
    }
    given.len() == 1
}

/// A member is shown in one way.
pub(crate) fn one_resolver(one: &Ident, many: &Ident, problems: &mut Problems) {
    for key in [one, many] {
        problems.at(key, format!("`{one}` and `{many}` are given; give one of them only"));
    }
}
