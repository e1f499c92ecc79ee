//! As much of HTTP/1.1 as a client needs that wants the socket to itself.

use std::io::{self, ErrorKind};

use tokio::{io::AsyncReadExt, net::TcpStream};

/// The head of a response.
#[derive(Clone, Debug)]
pub struct Head {
    /// The status.
    pub status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        });
        Some(Self { status, headers: headers.collect() })
    }
}

/// Reads the head of a response.
///
/// # Errors
///
/// Where the connection ends before that, or it is no such head.
pub async fn read_head(mut socket: TcpStream) -> io::Result<(Head, Body)> {
    let mut raw = Vec::new();
    let end = loop {
        if let Some(end) = raw.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        if socket.read_buf(&mut raw).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    };
    let head = std::str::from_utf8(&raw[..end]).ok().and_then(Head::parse);
    let head = head.ok_or(ErrorKind::InvalidData)?;
    raw.drain(..end);
    let length = head.header("content-length").map(str::parse).transpose();
    let length = length.map_err(|_| ErrorKind::InvalidData)?;
    Ok((head, Body { socket, raw, length }))
}

/// The body of a response.
#[derive(Debug)]
pub struct Body {
    socket: TcpStream,
    /// What has been read and not been looked at.
    raw: Vec<u8>,
    /// How many bytes are to come; `None` where they come in chunks.
    length: Option<usize>,
}

impl Body {
    /// The socket.
    pub fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// Appends more of the body to `buffer`, and says how much; 0 is the end.
    ///
    /// # Errors
    ///
    /// Where the connection breaks, or what comes is no chunk.
    pub async fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        loop {
            if self.length == Some(0) {
                return Ok(0);
            }
            if let Some(taken) = self.take(buffer)? {
                return Ok(taken);
            }
            // Nothing is lost where this is not waited for to the end.
            if self.socket.read_buf(&mut self.raw).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The whole body.
    ///
    /// # Errors
    ///
    /// As those of [`read`](Self::read).
    pub async fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        while self.read(&mut body).await? > 0 {}
        Ok(body)
    }

    /// Moves the next piece to `buffer`, where there is a whole one. Gives its length.
    fn take(&mut self, buffer: &mut Vec<u8>) -> io::Result<Option<usize>> {
        if let Some(left) = &mut self.length {
            let taken = self.raw.len().min(*left);
            *left -= taken;
            buffer.extend(self.raw.drain(..taken));
            return Ok(Some(taken).filter(|&taken| taken > 0));
        }
        let Some(line) = self.raw.windows(2).position(|window| window == b"\r\n") else {
            return Ok(None);
        };
        let size = std::str::from_utf8(&self.raw[..line]).map_err(|_| ErrorKind::InvalidData)?;
        let size = usize::from_str_radix(size, 16).map_err(|_| ErrorKind::InvalidData)?;
        let (start, end) = (line + 2, line + 2 + size);
        if self.raw.len() < end + 2 {
            return Ok(None);
        }
        buffer.extend_from_slice(&self.raw[start..end]);
        self.raw.drain(..end + 2);
        if size == 0 {
            self.length = Some(0);
        }
        Ok(Some(size))
    }
}
