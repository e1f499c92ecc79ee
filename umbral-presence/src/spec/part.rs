//! The parts of a group's name. A part stands for the value of a struct's field.

use std::{
    any::TypeId,
    fmt::{self, Display, Write},
    str::FromStr,
};

/// How values of one type are written into a name and read from it.
///
/// The functions exist once for each type, however many structs have such a field, so a
/// declaration adds no code of its own. Only [`part`] has a bound on the type. A type that does
/// not fit is one error for that reason.
#[derive(Debug)]
pub struct Part<T> {
    write: fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result,
    read: fn(&str) -> Option<T>,
    /// Whether a text is a value, written as the value writes itself.
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

/// How a field of this type is written and read.
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

/// The parts of a name. A list of any length is a pair of the first part and the rest.
pub trait PartList {
    /// The values that they stand for.
    type Values;
    /// References to the values of the fields.
    type Given<'v>;

    /// Writes each value.
    fn write(&self, given: Self::Given<'_>, texts: &mut Vec<String>);

    /// The values, if each text stands for one.
    fn read(&self, texts: &[&str]) -> Option<Self::Values>;
}

impl PartList for () {
    type Values = ();
    type Given<'v> = ();

    fn write(&self, (): (), _: &mut Vec<String>) {}

    fn read(&self, texts: &[&str]) -> Option<()> {
        texts.is_empty().then_some(())
    }
}

impl<T: 'static, R: PartList> PartList for (Part<T>, R) {
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

/// The value that `text` stands for. A group has one name only, so the text must be the one that
/// the value writes: `007` is not a text of 7.
fn read<T: Display + FromStr>(text: &str) -> Option<T> {
    let value = T::from_str(text).ok()?;
    is_written(&value, text).then_some(value)
}

fn is<T: Field>(text: &str) -> bool {
    // Every text is one that a `String` writes, so none has to be made.
    TypeId::of::<T>() == TypeId::of::<String>() || read::<T>(text).is_some()
}

/// Whether `value` writes itself as `text`. Nothing is allocated.
fn is_written(value: &dyn Display, text: &str) -> bool {
    let mut rest = Rest(text);
    write!(rest, "{value}").is_ok() && rest.0.is_empty()
}

/// The end of a text, behind what has been written so far.
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
