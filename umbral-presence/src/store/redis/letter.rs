//! What nodes say to each other besides the changes of rosters, in `MessagePack`.

use serde::{Deserialize, Serialize};

use super::text::Unreadable;

/// The version of the format. A letter of another one is not read.
const FORMAT: u64 = 1;

/// One letter of a node, by its process.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Letter(pub(super) u64, pub(super) u64, pub(super) Content);

/// What is in a letter.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Content {
    /// An event of the application, for whom the channel says. The data is JSON.
    Event { event: String, data: String },
    /// A question to nodes, which each of them answers.
    Ask { number: u64, ask: Ask },
    /// The answer.
    Reply { number: u64, reply: Reply },
}

/// What other nodes are asked to do, or to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Ask {
    Disconnect {
        user: String,
    },
    EndSession {
        session: String,
    },
    RecheckUser {
        user: String,
    },
    RecheckGroup {
        group: String,
    },
    Refresh {
        user: String,
    },
    GroupsOf {
        user: String,
    },
    /// To change the groups of a stream that the other node holds.
    Control {
        token: String,
        /// By whom, as the node has found that was called.
        caller: Option<Caller>,
        number: u64,
        groups: Vec<String>,
        sync: Vec<String>,
        /// The headers of the call that say who calls, where they are to be kept.
        headers: Vec<(String, Vec<u8>)>,
    },
    /// The client of a stream that the other node holds has called, and it is not known who that is.
    Alive {
        token: String,
    },
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Caller {
    pub(crate) user: String,
    pub(crate) session: Option<String>,
    /// For how many milliseconds that holds.
    pub(crate) holds_for: Option<u64>,
}

impl Ask {
    /// Whether a node that cannot hear now is to do it later.
    pub(super) fn is_for_later(&self) -> bool {
        match self {
            Self::Disconnect { .. }
            | Self::EndSession { .. }
            | Self::RecheckUser { .. }
            | Self::RecheckGroup { .. }
            | Self::Refresh { .. } => true,
            Self::GroupsOf { .. } | Self::Control { .. } | Self::Alive { .. } => false,
        }
    }
}

/// What other nodes answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Reply {
    Done,
    Groups(Vec<String>),
    /// The whole answer to a call: the body is JSON.
    Control {
        status: u16,
        retry_after: Option<u64>,
        body: String,
    },
}

pub(super) fn write(process: u64, content: Content) -> Vec<u8> {
    // Texts and numbers always have a form.
    rmp_serde::to_vec(&Letter(FORMAT, process, content)).unwrap_or_default()
}

pub(super) fn read(bytes: &[u8]) -> Result<Letter, Unreadable> {
    let letter: Letter = rmp_serde::from_slice(bytes)
        .map_err(|error| Unreadable::new("letter", error.to_string()))?;
    if letter.0 == FORMAT {
        Ok(letter)
    } else {
        Err(Unreadable::new("format of letters", letter.0.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_read_as_it_was_written_and_no_other_is() {
        let ask = Ask::Control {
            token: "t".into(),
            caller: Some(Caller { user: "7".into(), session: None, holds_for: Some(9) }),
            number: 3,
            groups: vec!["room:é".into()],
            sync: Vec::new(),
            headers: vec![("cookie".into(), b"a=1".to_vec())],
        };
        let content = || Content::Ask { number: 7, ask: ask.clone() };
        let bytes = write(5, content());
        assert_eq!(read(&bytes).unwrap(), Letter(FORMAT, 5, content()));
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err());
        }
        let newer = rmp_serde::to_vec(&Letter(2, 5, content())).unwrap();
        assert!(read(&newer).unwrap_err().to_string().contains("format"));
    }
}
