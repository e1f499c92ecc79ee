//! Patterns such as `org:{org}:doc:{doc}`: whether a name matches, and which parts it has.

/// A pattern that the attribute has cut at its placeholders.
///
/// `org:{org}:doc:{doc}` has the literals `["org:", ":doc:", ""]` and the fields
/// `["org", "doc"]`. There is one literal more than there are fields. The first literal and the
/// ones between two fields are never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The pattern as it was written.
    pub source: &'static str,
    /// The texts before, between and after the placeholders.
    pub literals: &'static [&'static str],
    /// The names of the placeholders.
    pub fields: &'static [&'static str],
}

impl Pattern {
    /// The text before the first placeholder. Its length is the pattern's rank.
    pub(crate) fn head(&self) -> &'static str {
        self.literals.first().copied().unwrap_or_default()
    }

    /// The parts of `name`, one for each field, or `None` if it does not match.
    ///
    /// A part is never empty. It ends at the first place where the literal after it begins, so a
    /// name can be read in one way only.
    pub fn parts<'n>(&self, name: &'n str) -> Option<Vec<&'n str>> {
        let mut parts = Vec::with_capacity(self.fields.len());
        self.cut(name, |part| {
            parts.push(part);
            true
        })
        .then_some(parts)
    }

    /// Gives the parts of `name` to `take` one by one. Returns whether the name matches and `take`
    /// has returned true for each part.
    pub(crate) fn cut<'n>(&self, name: &'n str, mut take: impl FnMut(&'n str) -> bool) -> bool {
        let mut cut = || {
            let mut rest = name.strip_prefix(self.head())?;
            let (last, between) = self.literals.get(1..)?.split_last()?;
            for literal in between {
                // A part has at least one character, so the search begins after it.
                let first = rest.chars().next()?.len_utf8();
                let end = first + find(&rest[first..], literal)?;
                take(&rest[..end]).then_some(())?;
                rest = &rest[end + literal.len()..];
            }
            let tail = rest.strip_suffix(last)?;
            (!tail.is_empty() && take(tail)).then_some(())
        };
        cut().is_some()
    }

    /// Whether some name matches both patterns.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        glob::overlap(&self.tokens(), &other.tokens())
    }

    fn tokens(&self) -> Vec<glob::Token> {
        let mut tokens = Vec::new();
        for (i, literal) in self.literals.iter().enumerate() {
            if i > 0 {
                tokens.extend([glob::Token::Any, glob::Token::Many]);
            }
            tokens.extend(literal.chars().map(glob::Token::Char));
        }
        tokens
    }
}

/// The place of `literal` in `text`. The search of the standard library prepares itself for a long
/// text, so this one is faster in a name.
fn find(text: &str, literal: &str) -> Option<usize> {
    let (text, literal) = (text.as_bytes(), literal.as_bytes());
    text.windows(literal.len().max(1)).position(|window| window == literal)
}

/// Whether two globs match a common name.
mod glob {
    #[derive(Clone, Copy, PartialEq)]
    pub(super) enum Token {
        Char(char),
        /// Exactly one character of any kind.
        Any,
        /// No character, or any number of them.
        Many,
    }

    /// Row by row over all pairs of positions: `reach[j]` says that `a[..i]` and `b[..j]`
    /// can have consumed the same text.
    pub(super) fn overlap(a: &[Token], b: &[Token]) -> bool {
        let mut reach = vec![false; b.len() + 1];
        reach[0] = true;
        skip_many(&mut reach, b);
        for &token in a {
            let mut next = vec![false; b.len() + 1];
            if token == Token::Many {
                // It stands for nothing, or for everything that `b` consumes.
                let mut open = false;
                for (j, &reached) in reach.iter().enumerate() {
                    open |= reached;
                    next[j] = open;
                }
            } else {
                for (j, &other) in b.iter().enumerate() {
                    if other == Token::Many {
                        // `b` consumes this token and stays where it is.
                        next[j] |= reach[j];
                        next[j + 1] |= reach[j];
                    } else if fits(token, other) {
                        next[j + 1] |= reach[j];
                    }
                }
            }
            reach = next;
            skip_many(&mut reach, b);
        }
        reach[b.len()]
    }

    fn fits(a: Token, b: Token) -> bool {
        match (a, b) {
            (Token::Char(a), Token::Char(b)) => a == b,
            _ => true,
        }
    }

    fn skip_many(reach: &mut [bool], b: &[Token]) {
        for (j, &token) in b.iter().enumerate() {
            if token == Token::Many && reach[j] {
                reach[j + 1] = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOC: Pattern = Pattern {
        source: "org:{org}:doc:{doc}",
        literals: &["org:", ":doc:", ""],
        fields: &["org", "doc"],
    };

    #[test]
    fn a_name_is_cut_at_the_first_place_that_fits() {
        assert_eq!(DOC.parts("org:7:doc:a"), Some(vec!["7", "a"]));
        assert_eq!(DOC.parts("org:7:doc:a:doc:b"), Some(vec!["7", "a:doc:b"]));
    }

    #[test]
    fn a_part_is_never_empty() {
        for name in ["org:", "org:7", "org::doc:", "org:7:doc:", "org::doc:x", "user:7"] {
            assert_eq!(DOC.parts(name), None, "{name}");
        }
    }

    #[test]
    fn a_literal_at_the_end_must_be_there() {
        const LIVE: Pattern =
            Pattern { source: "game:{id}:live", literals: &["game:", ":live"], fields: &["id"] };
        assert_eq!(LIVE.parts("game:é:live"), Some(vec!["é"]));
        assert_eq!(LIVE.parts("game:7:lives"), None);
        assert_eq!(LIVE.parts("game::live"), None);
    }

    #[test]
    fn overlap_is_found_and_is_symmetric() {
        let pattern = |literals| Pattern { source: "", literals, fields: &[] };
        for (a, b, overlap) in [
            (&["a:", ""][..], &["a:", ""][..], true),
            (&["a:", ":x"], &["a:", ":y"], false),
            (&["a:", ":x"], &["a:", ""], true),
            (&["a:", ":b:", ""], &["a:", ":c:", ""], true),
            (&["a:", ":b:", ":x"], &["a:", ":c:", ":y"], false),
            (&["a:", ""], &["b:", ""], false),
            (&["a:", "bb"], &["a:b", ""], true),
            (&["a:", "b"], &["a:", "bc"], false),
        ] {
            assert_eq!(pattern(a).overlaps(&pattern(b)), overlap, "{a:?} {b:?}");
            assert_eq!(pattern(b).overlaps(&pattern(a)), overlap, "{b:?} {a:?}");
        }
    }
}
