//! An event stream, taken apart as it arrives.

use memchr::memmem;

use super::chunked::Chunked;

/// A buffer that has held a large snapshot is not kept.
const KEPT: usize = 4 * 1024;

/// The events that have not come to their end.
#[derive(Debug, Default)]
pub(crate) struct Events {
    chunked: Chunked,
    text: Vec<u8>,
    /// So many bytes of the text hold no end of an event.
    searched: usize,
}

impl Events {
    /// Gives the data of each event that ends within `bytes`, without the names of events.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        self.chunked.take(bytes, &mut self.text)?;
        let mut start = 0;
        while let Some(end) = memmem::find(&self.text[self.searched..], b"\n\n") {
            let end = self.searched + end;
            for line in self.text[start..end].split(|byte| *byte == b'\n') {
                if let Some(data) = line.strip_prefix(b"data:") {
                    each(data.trim_ascii_start())?;
                }
            }
            start = end + 2;
            self.searched = start;
        }
        self.text.drain(..start);
        // The next byte may complete what ends an event.
        self.searched = self.text.len().saturating_sub(1);
        if self.text.is_empty() && self.text.capacity() > KEPT {
            self.text = Vec::new();
        }
        Ok(())
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.chunked.has_ended()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_wherever_they_are_cut() {
        let text = "event: u\ndata: {\"c\":1}\n\nid: 4\nevent: ping\ndata: {}\n\n:comment\n\n";
        let coded = format!("{:x}\r\n{text}\r\n", text.len());
        for step in 1..coded.len() {
            let (mut events, mut seen) = (Events::default(), Vec::new());
            for part in coded.as_bytes().chunks(step) {
                let each = |data: &[u8]| {
                    seen.push(String::from_utf8(data.to_vec()).unwrap());
                    Ok(())
                };
                events.take(part, each).unwrap();
            }
            assert_eq!(seen, ["{\"c\":1}", "{}"], "in pieces of {step}");
        }
    }
}
