//! The names of a connection: a number inside the server, and a token for its client.

use std::{fmt, str::FromStr};

/// The number of a connection within one `Realtime`. No number is given out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ConnectionId(u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ConnectionId {
    pub(crate) fn of(number: u64) -> Self {
        Self(number)
    }
}

/// The secret by which a client changes the groups of its stream: 128 random bits, written as 32
/// hexadecimal digits. Only the stream itself tells it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token(u128);

impl Token {
    /// A fresh token from the operating system's randomness.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits)?;
        Ok(Self(u128::from_ne_bytes(bits)))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A token is a secret and never reaches a log.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl FromStr for Token {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !digits {
            return Err(());
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_as_it_was_written() {
        let token = Token::random().unwrap();
        assert_eq!(token.to_string().parse(), Ok(token));
        for bad in ["", "+f", "0", &"g".repeat(32), &"+".repeat(32), &"0".repeat(33)] {
            assert!(bad.parse::<Token>().is_err(), "{bad}");
        }
    }
}
