//! User ids.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Serialize, Serializer};

use super::beginning::beginning;
use crate::invisible::is_invisible;

/// The longest user id, in bytes.
pub const MAX_USER_ID_BYTES: usize = 200;

/// The id of a signed-in user: the primary key as text, whether it is an `i64`, a `String` or a
/// `Uuid`. It has 1 to 200 bytes, no [invisible](crate::GroupName) character, and no whitespace except
/// the plain space.
///
/// Cloning is cheap, because the text is shared.
///
/// ```
/// use umbral_presence::UserId;
///
/// let id = UserId::new(7.to_string())?;
/// assert_eq!(id.as_str(), "7");
/// assert!(UserId::new("").is_err());
/// # Ok::<(), umbral_presence::InvalidUserId>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Checks `id` and takes it as a user id.
    ///
    /// # Errors
    ///
    /// [`InvalidUserId`] if it is empty, too long or contains a character that is forbidden.
    pub fn new(id: impl AsRef<str>) -> Result<Self, InvalidUserId> {
        let id = id.as_ref();
        let is_refused = |c: char| is_invisible(c) || (c.is_whitespace() && c != ' ');
        if id.is_empty() || id.len() > MAX_USER_ID_BYTES || id.contains(is_refused) {
            return Err(InvalidUserId(beginning(id, MAX_USER_ID_BYTES).into()));
        }
        Ok(Self(id.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as the application's type, for a look at its tables.
    ///
    /// ```
    /// use umbral_presence::UserId;
    ///
    /// let id = UserId::from(7);
    /// assert_eq!(id.parse::<i64>()?, 7);
    /// # Ok::<(), std::num::ParseIntError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `T`.
    pub fn parse<T: FromStr>(&self) -> Result<T, T::Err> {
        self.0.parse()
    }
}

/// A number is a valid id.
macro_rules! from_numbers {
    ($($number:ty),*) => {
        $(
            impl From<$number> for UserId {
                fn from(id: $number) -> Self {
                    Self(id.to_string().into())
                }
            }
        )*
    };
}

#[cfg(feature = "uuid")]
impl From<uuid::Uuid> for UserId {
    /// The id with hyphens, in lower case.
    fn from(id: uuid::Uuid) -> Self {
        Self(id.to_string().into())
    }
}

from_numbers!(i32, i64, i128, u32, u64, u128);

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for UserId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for UserId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A text that is not a valid user id.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a user id: an id has 1 to {MAX_USER_ID_BYTES} bytes, no invisible character, and no whitespace but the plain space"
)]
pub struct InvalidUserId(Box<str>);
