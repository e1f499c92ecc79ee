//! Characters that nobody sees. With them two names that look the same would be two, and one
//! name could be written so that it reads as another.

use std::{fmt, ops::RangeInclusive};

/// Characters without a look of their own, or that turn the direction of writing: those that
/// Unicode calls `Default_Ignorable_Code_Point`, the marks of annotations and the empty Braille
/// cell. The attribute and the browser's client have the same; `tests/vectors/names.json` holds
/// the three together.
const INVISIBLE: [RangeInclusive<char>; 18] = [
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{61c}'..='\u{61c}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fffb}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0000}'..='\u{e0fff}',
];

/// Whether this is a control character, or one without a look of its own.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_control() || (!c.is_ascii() && INVISIBLE.iter().any(|range| range.contains(&c)))
}

/// A character as it can be told from others in an error.
pub(crate) struct Shown(pub(crate) char);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(c) = *self;
        if is_invisible(c) { write!(f, "'{}'", c.escape_unicode()) } else { write!(f, "{c:?}") }
    }
}
