//! How a connection ends.

use std::time::Duration;

use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{
    Error,
    error::ProtocolError,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use super::socket::Socket;
use crate::connection::End;

/// The time in which the peer must close its side.
pub(super) const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// The code and the reason of a close frame.
pub(super) type Closing = (CloseCode, &'static str);

pub(super) fn closing(end: End) -> Closing {
    match end {
        End::Overflow | End::Lost => (CloseCode::Again, "too slow"),
        End::Disconnected => (CloseCode::Policy, "disconnected"),
        End::IdentityChanged => (CloseCode::Policy, "another identity"),
        End::Expired => (CloseCode::Policy, "the sign-in has run out"),
        End::Draining => (CloseCode::Restart, "restart"),
    }
}

/// What to tell a peer that has sent something that cannot be read. `None` if it is only gone.
pub(super) fn complaint(error: &Error) -> Option<Closing> {
    match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some((CloseCode::Protocol, "protocol error")),
        Error::Capacity(_) => Some((CloseCode::Size, "too long")),
        Error::Utf8(_) => Some((CloseCode::Invalid, "not UTF-8")),
        _ => None,
    }
}

/// Closes a socket, and waits a moment for the peer to do so too.
pub(super) async fn close(mut socket: Box<Socket>, end: Option<Closing>) {
    let frame = end.map(|(code, reason)| CloseFrame { code, reason: reason.into() });
    let _ = timeout(CLOSE_WITHIN, socket.end(frame)).await;
}
