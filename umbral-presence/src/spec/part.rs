//! A part of a group's name that stands for a value: the field of a struct.

use std::{
    any::TypeId,
    fmt::{self, Display, Write},
    str::FromStr,
};

/// How values of one type are written into a name, and read from it.
///
/// The functions are there once per type of field, however many structs have one, so that
/// a declaration costs no code of its own. The type is bounded where this is made and
/// nowhere else: a type that does not fit is one error.
#[derive(Debug)]
pub struct Part<T> {
    write: fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result,
    read: fn(&str) -> Option<T>,
    /// Whether a text is a value, written as the value itself would be.
    pub is: fn(&str) -> bool,
}

/// A type that a field of a group's struct can have.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a group's struct",
    label = "wants `Display` and `FromStr`",
    note = "a field is written into the group's name and read back from it: implement `Display` and `FromStr` for `{Self}`, or take a type that has both, such as `u64` or `String`"
)]
pub trait Field: Display + FromStr + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Display + FromStr + 'static> Field for T {}

/// The part that a field of this type is.
#[must_use]
pub const fn part<T: Field>() -> Part<T> {
    Part { write: T::fmt, read: read::<T>, is: is::<T> }
}

impl<T> Part<T> {
    /// A value as it is written into a name.
    pub fn shown<'v>(&self, value: &'v T) -> Shown<'v, T> {
        Shown { value, write: self.write }
    }

    /// The value that a text stands for.
    pub(crate) fn read(&self, text: &str) -> Option<T> {
        (self.read)(text)
    }
}

/// The parts of a name, one after the other: the first and the rest, down to nothing.
pub trait Parts {
    /// The values that they stand for.
    type Values;
    /// The values of the fields, as they are given to be written.
    type Given<'v>;

    /// Writes each value.
    fn write(&self, given: Self::Given<'_>, texts: &mut Vec<String>);

    /// The values, if each text is one.
    fn read(&self, texts: &[&str]) -> Option<Self::Values>;
}

impl Parts for () {
    type Values = ();
    type Given<'v> = ();

    fn write(&self, (): (), _: &mut Vec<String>) {}

    fn read(&self, texts: &[&str]) -> Option<()> {
        texts.is_empty().then_some(())
    }
}

impl<T: 'static, R: Parts> Parts for (Part<T>, R) {
    type Values = (T, R::Values);
    type Given<'v> = (&'v T, R::Given<'v>);

    fn write(&self, (first, rest): Self::Given<'_>, texts: &mut Vec<String>) {
        texts.push(self.0.shown(first).to_string());
        self.1.write(rest, texts);
    }

    fn read(&self, texts: &[&str]) -> Option<Self::Values> {
        let (first, rest) = texts.split_first()?;
        Some((self.0.read(first)?, self.1.read(rest)?))
    }
}

/// A value as it is written into a name.
#[derive(Debug)]
pub struct Shown<'v, T> {
    value: &'v T,
    write: fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result,
}

impl<T> Display for Shown<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.write)(self.value, f)
    }
}

/// A text that reads as a value whose own text is another one, such as `007` for 7, is not
/// taken: a group has one name only.
fn read<T: Display + FromStr>(text: &str) -> Option<T> {
    let value = T::from_str(text).ok()?;
    is_written(&value, text).then_some(value)
}

fn is<T: Field>(text: &str) -> bool {
    // Any text is a `String`'s own; no need to make one.
    TypeId::of::<T>() == TypeId::of::<String>() || read::<T>(text).is_some()
}

/// Whether `value` is written as `text`, without writing it anywhere.
fn is_written(value: &dyn Display, text: &str) -> bool {
    let mut rest = Rest(text);
    write!(rest, "{value}").is_ok() && rest.0.is_empty()
}

/// What is left of a text that is written anew.
struct Rest<'t>(&'t str);

impl Write for Rest<'_> {
    fn write_str(&mut self, written: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(written).ok_or(fmt::Error)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_value_s_own_text_is_read() {
        let number = part::<u64>();
        assert_eq!((number.read)("7"), Some(7));
        for text in ["007", "+7", "", "7 ", "x"] {
            assert!(!(number.is)(text), "{text}");
        }
        assert!((part::<bool>().is)("true") && !(part::<f64>().is)("1.50"));
        assert_eq!((part::<String>().read)("äö").as_deref(), Some("äö"));
        assert!((part::<String>().is)("äö"));
        assert_eq!(number.shown(&70).to_string(), "70");
    }
}
