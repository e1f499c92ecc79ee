//! Group names, and the types that stand for them.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Serialize, Serializer};

use super::beginning::beginning;
use crate::invisible::{Shown, is_invisible};

/// The longest group name, in bytes.
pub const MAX_GROUP_NAME_BYTES: usize = 200;

/// A valid group name: 1 to 200 bytes of UTF-8 without whitespace, invisible characters and commas,
/// and without an `@` at the beginning.
///
/// Two names that look the same cannot differ by an invisible character. Invisible are control
/// characters, the characters that Unicode calls `Default_Ignorable_Code_Point`, the marks of
/// annotations and the empty Braille cell. The second group has, among others, the zero-width
/// characters, U+FEFF, those that change the direction of writing, and those that join or vary an
/// emoji.
///
/// Names are compared byte by byte. Letters of different scripts that look alike are different, and
/// so are `é` as one character and as two. An application that takes names from its users should
/// normalize them first.
///
/// A comma separates names in a query, and an `@` begins the library's own channels. Cloning is cheap,
/// because the text is shared.
///
/// ```
/// use umbral_presence::GroupName;
///
/// let name: GroupName = "room:42".parse()?;
/// assert_eq!(name.as_str(), "room:42");
/// assert!("room 42".parse::<GroupName>().is_err());
/// # Ok::<(), umbral_presence::InvalidGroupName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupName(Arc<str>);

impl GroupName {
    /// Checks `name` and takes it as a group name.
    ///
    /// # Errors
    ///
    /// [`InvalidGroupName`] says which rule the name breaks, and where.
    pub fn new(name: impl AsRef<str>) -> Result<Self, InvalidGroupName> {
        let name = name.as_ref();
        match fault(name) {
            None => Ok(Self(name.into())),
            Some(fault) => Err(InvalidGroupName::new(name, fault)),
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The first rule that `name` breaks.
fn fault(name: &str) -> Option<NameFault> {
    if name.is_empty() {
        return Some(NameFault::Empty);
    }
    if name.len() > MAX_GROUP_NAME_BYTES {
        return Some(NameFault::TooLong { bytes: name.len() });
    }
    if name.starts_with('@') {
        return Some(NameFault::Reserved);
    }
    bad_character(name).map(|(at, character)| NameFault::Character { at, character })
}

/// The first character that is forbidden in a group name, and its byte.
pub(crate) fn bad_character(text: &str) -> Option<(usize, char)> {
    text.char_indices().find(|(_, c)| c.is_whitespace() || is_invisible(*c) || *c == ',')
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for GroupName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for GroupName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for GroupName {
    type Err = InvalidGroupName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl TryFrom<&str> for GroupName {
    type Error = InvalidGroupName;

    fn try_from(name: &str) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl TryFrom<String> for GroupName {
    type Error = InvalidGroupName;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl Serialize for GroupName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A value that names one group: a struct with `#[presence(..)]`, a [`GroupName`] or a plain `&str`.
///
/// Every function that takes a group takes `impl Group`. A bad name is an error of the call, never a
/// panic.
///
/// ```
/// use umbral_presence::{Group, GroupName};
///
/// assert_eq!("room:42".group_name()?.as_str(), "room:42");
/// assert!("".group_name().is_err());
/// # Ok::<(), umbral_presence::InvalidGroupName>(())
/// ```
pub trait Group {
    /// The name of the group.
    ///
    /// # Errors
    ///
    /// [`InvalidGroupName`] if the value does not make a valid name, for example if it contains
    /// whitespace or makes the name too long.
    fn group_name(&self) -> Result<GroupName, InvalidGroupName>;
}

impl Group for str {
    fn group_name(&self) -> Result<GroupName, InvalidGroupName> {
        GroupName::new(self)
    }
}

impl Group for String {
    fn group_name(&self) -> Result<GroupName, InvalidGroupName> {
        GroupName::new(self)
    }
}

impl Group for GroupName {
    fn group_name(&self) -> Result<GroupName, InvalidGroupName> {
        Ok(self.clone())
    }
}

impl<G: Group + ?Sized> Group for &G {
    fn group_name(&self) -> Result<GroupName, InvalidGroupName> {
        (**self).group_name()
    }
}

/// A text that is not a valid group name, or not a name of the struct that it was parsed as.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a group name: {fault}")]
pub struct InvalidGroupName {
    /// At most the first 200 bytes.
    name: Box<str>,
    fault: NameFault,
}

impl InvalidGroupName {
    pub(crate) fn new(name: &str, fault: NameFault) -> Self {
        Self { name: beginning(name, MAX_GROUP_NAME_BYTES).into(), fault }
    }

    /// The text that was refused, cut to 200 bytes.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Why a text is not a group name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameFault {
    #[error("it is empty; a name has 1 to {MAX_GROUP_NAME_BYTES} bytes")]
    Empty,
    #[error("it has {bytes} bytes; a name has at most {MAX_GROUP_NAME_BYTES}")]
    TooLong { bytes: usize },
    #[error("it starts with '@', which is kept for the library's own channels")]
    Reserved,
    #[error("{} at byte {at}; a name has no whitespace, invisible character or comma", Shown(*.character))]
    Character { at: usize, character: char },
    #[error("{expected} was expected")]
    Family { expected: &'static str },
    #[error("the part for `{{{field}}}` {why}")]
    Part { field: &'static str, why: &'static str },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_breaks_a_rule_is_refused_with_the_rule() {
        for (name, rule) in [
            ("", "it is empty"),
            ("@user:7", "starts with '@'"),
            ("a,b", "',' at byte 1"),
            ("é b", "' ' at byte 2"),
            ("a\u{7}", "'\\u{7}' at byte 1"),
            ("a\u{2003}", "'\\u{2003}' at byte 1"),
            (&"x".repeat(201), "it has 201 bytes"),
        ] {
            let error = GroupName::new(name).unwrap_err().to_string();
            assert!(error.contains(rule), "{name:?}: {error}");
        }
    }

    #[test]
    fn a_name_of_the_greatest_length_is_valid() {
        assert!(GroupName::new("x".repeat(200)).is_ok());
        assert!(GroupName::new("räume:7/λ").is_ok());
    }

    #[test]
    fn the_error_cuts_a_huge_text() {
        let error = GroupName::new("é".repeat(1_000_000)).unwrap_err();
        assert_eq!(error.name().len(), 200);
    }
}
