//! Reads a list of names in JSON, and keeps no more of them than are allowed.

use std::{borrow::Cow, fmt, slice};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// The first names of a list.
#[derive(Debug)]
pub(super) struct Names<'a>(Vec<Cow<'a, str>>);

impl<'a> Names<'a> {
    /// Reads `most` names of a list, and one more if there is one. That one shows that there are too
    /// many.
    pub(super) fn read(list: &'a RawValue, most: usize) -> Result<Self, serde_json::Error> {
        First(most.saturating_add(1))
            .deserialize(&mut serde_json::Deserializer::from_str(list.get()))
    }

    pub(super) fn iter(&self) -> slice::Iter<'_, Cow<'a, str>> {
        self.0.iter()
    }
}

/// Reads so many names, and skips the others.
struct First(usize);

impl<'de> DeserializeSeed<'de> for First {
    type Value = Names<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Names<'de>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for First {
    type Value = Names<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of group names")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Names<'de>, A::Error> {
        let mut names = Vec::new();
        while names.len() < self.0 {
            match list.next_element::<Name<'de>>()? {
                Some(Name(name)) => names.push(name),
                None => return Ok(Names(names)),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Names(names))
    }
}

/// A text. It is borrowed if nothing in it is escaped.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str, most: usize) -> Result<Vec<String>, serde_json::Error> {
        let list: &RawValue = serde_json::from_str(list)?;
        Ok(Names::read(list, most)?.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn of_a_list_that_is_too_long_one_name_too_many_is_kept() {
        assert_eq!(read(r#"["a","b"]"#, 2).unwrap(), ["a", "b"]);
        assert_eq!(read(r#"["a","\u0062","c","d",7]"#, 2).unwrap(), ["a", "b", "c"]);
        assert_eq!(read("[]", 2).unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_not_a_list_of_texts_is_refused() {
        for bad in ["7", "null", "\"a\"", "{}", "[7]", "[[\"a\"]]", "[\"\\ud800\"]"] {
            assert!(read(bad, 2).is_err(), "{bad}");
        }
    }
}
