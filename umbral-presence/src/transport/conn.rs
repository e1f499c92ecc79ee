//! The name by which a client changes the groups of its event stream: its token and, where there
//! are several nodes, the node that holds the stream.

use std::{fmt, str::FromStr};

use crate::name::Token;

/// `conn` of `@hello` and of a `control` call.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) token: Token,
    /// The process that holds the stream, where there may be others.
    pub(super) node: Option<u64>,
}

impl fmt::Display for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.node {
            Some(node) => write!(f, "{}.{node:x}", self.token),
            None => self.token.fmt(f),
        }
    }
}

impl FromStr for Conn {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (token, node) = match text.split_once('.') {
            None => (text, None),
            Some((token, node)) => (token, Some(u64::from_str_radix(node, 16).map_err(|_| ())?)),
        };
        Ok(Self { token: token.parse()?, node })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_as_it_was_written() {
        let token = Token::random().unwrap();
        for node in [None, Some(0), Some(u64::MAX)] {
            let read: Conn = Conn { token, node }.to_string().parse().unwrap();
            assert!(read.token == token && read.node == node);
        }
        for bad in ["", ".", "x.1", &format!("{token}."), &format!("{token}.x")] {
            assert!(bad.parse::<Conn>().is_err(), "{bad}");
        }
    }
}
