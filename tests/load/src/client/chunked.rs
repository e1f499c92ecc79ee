//! The transfer coding `chunked` (RFC 9112, section 7.1), taken apart as it arrives.

/// What ends a chunk, and a line.
const BREAK: usize = 2;

/// Where in the coding the last bytes ended.
#[derive(Debug, Default)]
pub(crate) struct Chunked {
    /// Bytes of the chunk that are to come, its line break included.
    left: usize,
    /// The line with the length of the next chunk, as far as it has come.
    line: Vec<u8>,
    has_ended: bool,
}

impl Chunked {
    /// Appends what `bytes` hold of the body to `body`.
    pub(crate) fn take(&mut self, mut bytes: &[u8], body: &mut Vec<u8>) -> Result<(), String> {
        while let Some(&first) = bytes.first() {
            if self.has_ended {
                return Ok(());
            }
            if self.left > 0 {
                let data = bytes.len().min(self.left.saturating_sub(BREAK));
                body.extend_from_slice(&bytes[..data]);
                // One by one where the rest is the line break.
                let passed = data.max(1);
                self.left -= passed;
                bytes = &bytes[passed..];
                continue;
            }
            bytes = &bytes[1..];
            if first == b'\n' {
                self.begin()?;
            } else {
                self.line.push(first);
            }
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), String> {
        let line = String::from_utf8_lossy(&self.line);
        let size = usize::from_str_radix(line.trim_end(), 16);
        let size = size.map_err(|error| format!("{line:?} begins no chunk: {error}"))?;
        self.has_ended = size == 0;
        self.left = size + BREAK;
        self.line.clear();
        Ok(())
    }

    /// Whether the last chunk has come.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_the_same_wherever_it_is_cut() {
        let coded = b"5\r\nhello\r\n10\r\n, this is a body\r\n0\r\n\r\n";
        for step in 1..coded.len() {
            let (mut chunked, mut body) = (Chunked::default(), Vec::new());
            for part in coded.chunks(step) {
                chunked.take(part, &mut body).unwrap();
            }
            assert_eq!(body, b"hello, this is a body");
            assert!(chunked.has_ended());
        }
        assert!(Chunked::default().take(b"xyz\r\n", &mut Vec::new()).is_err());
    }
}
