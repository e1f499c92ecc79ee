//! The rules of a group's name. The runtime and the browser's client have the same rules, and
//! the cases in `tests/vectors/names.json` are tested against all three.

use std::{ops::RangeInclusive, time::Duration};

/// The longest group name, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 200;

/// The longest grace.
pub(crate) const MAX_GRACE: Duration = Duration::from_secs(600);

/// Characters that nobody can see, and characters that change the direction of writing.
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

/// Whether this character is forbidden in a group's name.
pub(crate) fn is_refused(c: char) -> bool {
    c.is_whitespace() || c == ',' || is_invisible(c)
}

/// A character as an error shows it. An invisible one is shown by its number.
pub(crate) fn shown(c: char) -> String {
    if is_invisible(c) { format!("'{}'", c.escape_unicode()) } else { format!("{c:?}") }
}

fn is_invisible(c: char) -> bool {
    c.is_control() || INVISIBLE.iter().any(|range| range.contains(&c))
}
