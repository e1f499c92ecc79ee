//! Whose server is measured.

use std::fmt;

/// A server, and so a column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// umbral-presence, with its defaults.
    Ours,
    /// axum with a stream that says one thing: nobody is told of anybody.
    Bare,
    /// A loop that writes to every socket, without axum and without tasks.
    Writes,
    /// The store's scripts, without a node around them.
    Scripts,
    /// umbral-realtime.
    Peer,
}

impl Subject {
    /// Its name on the command line of a server process.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Bare => "bare",
            Self::Writes => "writes",
            Self::Scripts => "scripts",
            Self::Peer => "peer",
        }
    }

    /// Whether it speaks the wire of umbral-presence, with versions and keys; the peer's has
    /// neither, and does not promise that a snapshot comes before the changes.
    pub(crate) fn is_versioned(self) -> bool {
        matches!(self, Self::Ours | Self::Writes)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
