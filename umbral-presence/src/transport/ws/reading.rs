//! Follows the frames of a peer while they are read.

use std::io::Cursor;

use tokio_tungstenite::tungstenite::protocol::frame::{FrameHeader, coding::OpCode};

/// The longest header of a frame.
const HEAD: usize = 14;

/// The place in a frame at which the bytes that were read end.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The beginning of a header that is not whole yet.
    head: [u8; HEAD],
    /// The length of this beginning.
    length: usize,
    /// The bytes of the frame's payload that are still to come.
    rest: u64,
    /// Whether a message has begun that has more fragments.
    is_within: bool,
    /// Whether the bytes were not a frame. tungstenite's reader reports that.
    is_broken: bool,
}

impl Reading {
    /// Goes on by these bytes. Returns how many frames begin in them.
    pub(super) fn go_on(&mut self, mut bytes: &[u8]) -> usize {
        let mut frames = 0;
        while !bytes.is_empty() && !self.is_broken {
            let payload = usize::try_from(self.rest).unwrap_or(usize::MAX).min(bytes.len());
            self.rest -= payload as u64;
            bytes = &bytes[payload..];
            frames += usize::from(self.read_head(&mut bytes));
        }
        frames
    }

    /// Whether the next byte begins a message, or a control frame between two messages.
    pub(super) fn is_between_messages(&self) -> bool {
        self.length == 0 && self.rest == 0 && !self.is_within && !self.is_broken
    }

    /// Takes the bytes of a header. Returns whether the header is whole.
    fn read_head(&mut self, bytes: &mut &[u8]) -> bool {
        let (known, more) = (self.length, bytes.len().min(HEAD - self.length));
        self.head[known..known + more].copy_from_slice(&bytes[..more]);
        let mut cursor = Cursor::new(&self.head[..known + more]);
        let parsed = FrameHeader::parse(&mut cursor);
        let used = usize::try_from(cursor.position()).unwrap_or(HEAD);
        match parsed {
            Ok(Some((header, rest))) => {
                *bytes = &bytes[used - known..];
                (self.length, self.rest) = (0, rest);
                if let OpCode::Data(_) = header.opcode {
                    self.is_within = !header.is_final;
                }
                true
            }
            Ok(None) => {
                self.length += more;
                *bytes = &bytes[more..];
                false
            }
            Err(_) => {
                self.is_broken = true;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A masked frame of a client.
    fn frame(head: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![head];
        match length {
            0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
            126..0x1_0000 => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend(u64::try_from(length).unwrap().to_be_bytes());
            }
        }
        frame.extend([0x5A; 4]);
        frame.resize(frame.len() + length, 0x81);
        frame
    }

    #[test]
    fn frames_are_counted_however_they_are_cut() {
        // A text, a ping, a binary in three fragments with a pong between them, a long text.
        let heads = [0x81, 0x89, 0x02, 0x00, 0x8A, 0x80, 0x81];
        let lengths = [5, 125, 126, 0, 3, 65_535, 65_536];
        let frames: Vec<_> = heads.into_iter().zip(lengths).map(|(h, l)| frame(h, l)).collect();
        let ends: Vec<usize> = frames
            .iter()
            .scan(0, |end, frame| {
                *end += frame.len();
                Some(*end)
            })
            .collect();
        let between = [0, ends[0], ends[1], ends[5], ends[6]];
        let bytes = frames.concat();
        for step in [1, 2, 7, 13, 14, 15, 1000, 70_000, bytes.len()] {
            let (mut reading, mut count, mut at) = (Reading::default(), 0, 0);
            for chunk in bytes.chunks(step) {
                assert_eq!(reading.is_between_messages(), between.contains(&at), "{step}: {at}");
                count += reading.go_on(chunk);
                at += chunk.len();
            }
            assert_eq!((count, reading.is_between_messages()), (frames.len(), true), "{step}");
        }
    }

    #[test]
    fn behind_what_is_no_frame_nothing_is_between_messages() {
        let mut reading = Reading::default();
        // An opcode that is reserved.
        assert_eq!(reading.go_on(&frame(0x83, 0)), 0);
        assert_eq!(reading.go_on(&frame(0x81, 0)), 0);
        assert!(!reading.is_between_messages());
    }
}
