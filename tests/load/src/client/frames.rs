//! What a WebSocket's server sends, taken apart as it arrives.

use std::io::Cursor;

use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Control, Data, OpCode},
};

/// A buffer that has held a large snapshot is not kept.
const KEPT: usize = 4 * 1024;

/// The longest answer to a ping (RFC 6455, section 5.5).
const PONG: u8 = 125;

/// The frames that have not come to their end.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    /// The fragments of the message so far.
    message: Vec<u8>,
    has_ended: bool,
}

impl Frames {
    /// Gives each text that ends within `bytes`, and appends what has to be answered to
    /// `answer`.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        answer: &mut Vec<u8>,
        mut each: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        self.bytes.extend_from_slice(bytes);
        let mut start = 0;
        loop {
            let mut rest = Cursor::new(&self.bytes[start..]);
            let parsed = FrameHeader::parse(&mut rest).map_err(|error| error.to_string())?;
            let Some((header, length)) = parsed else { break };
            let from = start + usize::try_from(rest.position()).unwrap_or(usize::MAX);
            let end = usize::try_from(length).ok().and_then(|length| from.checked_add(length));
            let Some(payload) = end.and_then(|end| self.bytes.get(from..end)) else { break };
            match header.opcode {
                OpCode::Data(Data::Text | Data::Continue) if !header.is_final => {
                    self.message.extend_from_slice(payload);
                }
                OpCode::Data(Data::Text) => each(payload)?,
                OpCode::Data(Data::Continue) => {
                    self.message.extend_from_slice(payload);
                    each(&std::mem::take(&mut self.message))?;
                }
                OpCode::Control(Control::Ping) => pong(payload, answer)?,
                OpCode::Control(Control::Pong) => {}
                OpCode::Control(Control::Close) => self.has_ended = true,
                other => return Err(format!("a frame of the kind {other}")),
            }
            start = from + payload.len();
        }
        self.bytes.drain(..start);
        if self.bytes.is_empty() && self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
        Ok(())
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }
}

/// Masked by zeros, which changes nothing.
fn pong(payload: &[u8], answer: &mut Vec<u8>) -> Result<(), String> {
    let length = u8::try_from(payload.len()).ok().filter(|length| *length <= PONG);
    let length = length.ok_or("a ping that is too long")?;
    answer.extend_from_slice(&[0x8A, 0x80 | length, 0, 0, 0, 0]);
    answer.extend_from_slice(payload);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_whole_and_pings_are_answered_wherever_they_are_cut() {
        let long = [&[0x81, 126, 1, 0], &[b'x'; 256][..]].concat();
        let coded = [&b"\x81\x02hi\x01\x02he\x89\x01p\x80\x03llo"[..], &long, b"\x88\x00"].concat();
        for step in 1..coded.len() {
            let (mut frames, mut answer, mut seen) = (Frames::default(), Vec::new(), Vec::new());
            for part in coded.chunks(step) {
                let each = |text: &[u8]| {
                    seen.push(String::from_utf8(text.to_vec()).unwrap());
                    Ok(())
                };
                frames.take(part, &mut answer, each).unwrap();
            }
            assert_eq!(seen, ["hi", "hello", &"x".repeat(256)]);
            assert_eq!(answer, b"\x8A\x81\0\0\0\0p");
            assert!(frames.has_ended());
        }
    }
}
