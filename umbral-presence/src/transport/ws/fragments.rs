//! Cuts texts into fragments. A WebSocket's write buffer grows to the size of the largest frame, so
//! frames are kept small.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use crate::wire::Frames;

/// The longest frame. With what may wait in front of it the buffer stays under 16 KiB, and is
/// written by one call to the system.
const MOST: usize = 8 * 1024;

/// The texts that wait to be written, in order. Control frames may come between two fragments of a
/// text, and another text may not.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    pieces: VecDeque<Fragment>,
    /// Whether a part of the first text has been handed out.
    begun: bool,
}

/// A piece of a text.
#[derive(Debug)]
struct Fragment {
    bytes: Bytes,
    /// Whether the text ends with this piece.
    is_last: bool,
}

impl Fragments {
    /// Adds a piece of a text at the end.
    pub(super) fn push(&mut self, bytes: Bytes, is_last: bool) {
        self.pieces.push_back(Fragment { bytes, is_last });
    }

    /// Adds whole texts at the end.
    pub(super) fn push_texts(&mut self, texts: &Frames) {
        texts.iter().for_each(|text| self.push(text.clone(), true));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether nothing waits, so that another text would be written at once.
    pub(super) fn is_idle(&self) -> bool {
        self.is_empty() && !self.begun
    }

    /// The next fragment.
    pub(super) fn next(&mut self) -> Option<Message> {
        let piece = self.pieces.front_mut()?;
        let bytes = piece.bytes.split_to(piece.bytes.len().min(MOST));
        let (is_used_up, is_last) = (piece.bytes.is_empty(), piece.is_last);
        if is_used_up {
            self.pieces.pop_front();
        }
        if self.pieces.is_empty() {
            // An idle connection keeps no buffer.
            self.pieces = VecDeque::new();
        }
        let ends = is_used_up && is_last;
        let kind = if self.begun { Data::Continue } else { Data::Text };
        self.begun = !ends;
        Some(Message::Frame(Frame::message(bytes, OpCode::Data(kind), ends)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of each fragment the kind, the length and whether it is the last one. And the bytes of all.
    fn all(fragments: &mut Fragments) -> (Vec<(Data, usize, bool)>, Vec<u8>) {
        let (mut heads, mut bytes) = (Vec::new(), Vec::new());
        while let Some(Message::Frame(frame)) = fragments.next() {
            let OpCode::Data(kind) = frame.header().opcode else {
                panic!("{frame}");
            };
            heads.push((kind, frame.payload().len(), frame.header().is_final));
            bytes.extend_from_slice(frame.payload());
        }
        (heads, bytes)
    }

    #[test]
    fn a_text_that_fits_is_one_frame() {
        let mut fragments = Fragments::default();
        fragments.push("hello".into(), true);
        fragments.push(Bytes::from(vec![b'x'; MOST]), true);
        let (heads, _) = all(&mut fragments);
        assert_eq!(heads, [(Data::Text, 5, true), (Data::Text, MOST, true)]);
    }

    #[test]
    fn a_longer_one_is_cut_and_whole_again() {
        let text: String = ('\u{e9}'..='\u{fff}').collect();
        let mut fragments = Fragments::default();
        fragments.push(text.clone().into(), true);
        fragments.push("next".into(), true);
        let (heads, bytes) = all(&mut fragments);
        assert_eq!(heads[0], (Data::Text, MOST, false));
        assert!(heads.iter().all(|(_, length, _)| *length <= MOST));
        let ends: Vec<_> = heads.iter().filter(|(.., ends)| *ends).map(|(kind, ..)| kind).collect();
        assert_eq!(ends, [&Data::Continue, &Data::Text]);
        assert_eq!(bytes, [text.as_bytes(), b"next"].concat());
    }

    #[test]
    fn a_text_may_come_in_pieces() {
        let mut fragments = Fragments::default();
        fragments.push(Bytes::from(vec![b'a'; MOST + 1]), false);
        let (heads, _) = all(&mut fragments);
        assert_eq!(heads, [(Data::Text, MOST, false), (Data::Continue, 1, false)]);
        assert!(!fragments.is_idle());
        fragments.push(Bytes::from(vec![b'b'; 7]), true);
        fragments.push("next".into(), true);
        let (heads, _) = all(&mut fragments);
        assert_eq!(heads, [(Data::Continue, 7, true), (Data::Text, 4, true)]);
        assert!(fragments.is_idle());
    }
}
