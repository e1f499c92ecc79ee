//! The answer to a request, from its head to its last frame.

use super::{
    Transport, Visitor,
    events::Events,
    frames::Frames,
    roster::{Change, Roster},
    wire::Frame,
};

/// No answer has a longer head.
const HEAD: usize = 8 * 1024;

/// One stream, as far as it has come.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The head of the answer, until it is whole.
    head: Option<Vec<u8>>,
    body: Body,
    pub(crate) roster: Roster,
    /// Whether a frame has come, whatever it says.
    pub(crate) is_greeted: bool,
}

#[derive(Debug)]
enum Body {
    Events(Events),
    Frames(Frames),
}

impl Stream {
    pub(crate) fn new(visitor: &Visitor, is_versioned: bool) -> Self {
        let body = match visitor.transport {
            Transport::Sse => Body::Events(Events::default()),
            Transport::WebSocket => Body::Frames(Frames::default()),
        };
        let roster = Roster::new(visitor.room.number(), is_versioned);
        Self { head: Some(Vec::new()), body, roster, is_greeted: false }
    }

    /// Whether the answer has begun.
    pub(crate) fn is_open(&self) -> bool {
        self.head.is_none()
    }

    pub(crate) fn has_ended(&self) -> bool {
        match &self.body {
            Body::Events(events) => events.has_ended(),
            Body::Frames(frames) => frames.has_ended(),
        }
    }

    /// Takes in what has been read; what has to be answered is appended to `answer`.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        answer: &mut Vec<u8>,
        each: impl FnMut(Change),
    ) -> Result<(), String> {
        let Some(mut head) = self.head.take() else {
            return self.take_body(bytes, answer, each);
        };
        head.extend_from_slice(bytes);
        match head.windows(4).position(|four| four == b"\r\n\r\n") {
            Some(end) => {
                self.check(&head[..end])?;
                self.take_body(&head[end + 4..], answer, each)
            }
            None if head.len() < HEAD => {
                self.head = Some(head);
                Ok(())
            }
            None => Err("a head without an end".to_owned()),
        }
    }

    fn check(&self, head: &[u8]) -> Result<(), String> {
        let status: &[u8] = match self.body {
            Body::Events(_) => b"HTTP/1.1 200",
            Body::Frames(_) => b"HTTP/1.1 101",
        };
        if head.starts_with(status) {
            return Ok(());
        }
        let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        Err(format!("refused: {}", String::from_utf8_lossy(line)))
    }

    fn take_body(
        &mut self,
        bytes: &[u8],
        answer: &mut Vec<u8>,
        mut each: impl FnMut(Change),
    ) -> Result<(), String> {
        let Self { body, roster, is_greeted, .. } = self;
        let take = |text: &[u8]| {
            // What shows that the server is alive.
            if text == b"{}" {
                return Ok(());
            }
            let frame: Frame<'_> =
                serde_json::from_slice(text).map_err(|error| format!("no frame: {error}"))?;
            *is_greeted = true;
            roster.take(&frame, &mut each)
        };
        match body {
            Body::Events(events) => events.take(bytes, take),
            Body::Frames(frames) => frames.take(bytes, answer, take),
        }
    }
}
