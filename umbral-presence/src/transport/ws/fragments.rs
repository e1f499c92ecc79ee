//! Texts on their way out, in fragments: a WebSocket's write buffer has the size of the largest
//! frame that is on its way.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

/// The longest frame that is written. With what may wait in front of it the buffer stays under
/// 16 KiB, and takes one call to the system.
const MOST: usize = 8 * 1024;

/// What is to be written, in order. Between two fragments of a text there may be control
/// frames, and no other text.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    pieces: VecDeque<Fragment>,
    /// A part of the first text has been handed out.
    begun: bool,
}

/// A piece of a text.
#[derive(Debug)]
struct Fragment {
    bytes: Bytes,
    /// The text ends with it.
    is_last: bool,
}

impl Fragments {
    /// Adds a piece of a text behind what there is.
    pub(super) fn push(&mut self, bytes: Bytes, is_last: bool) {
        self.pieces.push_back(Fragment { bytes, is_last });
    }

    /// Whether another text may be put in here, and goes out at once.
    pub(super) fn is_idle(&self) -> bool {
        self.pieces.is_empty() && !self.begun
    }

    /// What to write next.
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

    /// The kind, the length and whether it is the last one, of each fragment; and all bytes.
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
