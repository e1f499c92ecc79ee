//! A socket as connections are served over it.

use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::{lean::Lean, metered::Metered, upgrade::Io};
use crate::limits::Limits;

/// An idle connection holds its read buffer. Frames from clients are small.
const READ_BUFFER: usize = 1024;

/// This many bytes are gathered before they are written. A connection keeps the memory.
const WRITE_BUFFER: usize = 4 * 1024;

pub(super) type Socket = Lean<Io>;

/// Boxed, because a future holds an argument twice: as it was given and as it is used.
pub(super) fn socket(io: Io, limits: &Limits) -> Box<Socket> {
    Box::new(Lean::new(Metered::new(io, limits.inbound_bytes_per_second), config(limits)))
}

fn config(limits: &Limits) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(limits.message_bytes))
        .max_frame_size(Some(limits.message_bytes))
}
