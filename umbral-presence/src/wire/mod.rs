//! What goes over the wire: frames, how they are written, and the snapshot of a group.

mod encoder;
mod frames;
mod snapshot;

pub(crate) use self::{
    encoder::{BROADCAST_CHANNEL, Encoder, encode_data},
    frames::{Dialect, Encoded, Frames, Transport},
    snapshot::{Piece, Pieces, Snapshot},
};
