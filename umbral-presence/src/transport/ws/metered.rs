//! Limits how fast a client is read.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::reading::Reading;
use crate::limits::FRAME_COST;

/// What a read costs at least. The work for a short read is mostly the same as for a long one.
const LEAST: usize = 256;

/// A client may use up the rate of this time in advance.
const AHEAD: Duration = Duration::from_secs(1);

/// A client that has used up everything is not read for at least this time. Shorter pauses would mean
/// many reads of a few bytes.
const PAUSE: Duration = Duration::from_millis(25);

/// A connection that is read at a limited rate. What comes faster waits in the network and with its
/// sender, so that nothing is lost and nothing takes memory here.
#[derive(Debug)]
pub(super) struct Metered<IO> {
    io: IO,
    per_second: usize,
    reading: Reading,
    /// When the rate covers everything that has been read.
    due: Instant,
    /// The pause during which the client is not read.
    pause: Option<Pin<Box<Sleep>>>,
}

impl<IO> Metered<IO> {
    pub(super) fn new(io: IO, per_second: usize) -> Self {
        Self {
            io,
            per_second: per_second.max(1),
            reading: Reading::default(),
            due: Instant::now(),
            pause: None,
        }
    }

    /// Whether everything that has been read ends with a whole message.
    pub(super) fn is_between_messages(&self) -> bool {
        self.reading.is_between_messages()
    }

    fn charge(&mut self, bytes: usize) {
        let took = Duration::from_secs_f64(bytes as f64 / self.per_second as f64);
        self.due = self.due.max(Instant::now()) + took;
    }

    fn poll_admits(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
                return Poll::Ready(());
            }
            let Some(excess) = self.due.checked_duration_since(Instant::now() + AHEAD) else {
                return Poll::Ready(());
            };
            let until = Instant::now() + excess + PAUSE;
            self.pause = Some(Box::pin(sleep_until(until)));
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Metered<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_admits(cx));
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        let read = &buffer.filled()[before..];
        let frames = self.reading.go_on(read);
        self.charge(read.len().max(LEAST) + frames * FRAME_COST);
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Metered<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const RATE: usize = 100 * 1024;

    /// The number of bytes that are read within ten seconds of a flood of these bytes, in chunks.
    async fn in_ten_seconds(bytes: &[u8], chunk: usize) -> usize {
        let (mut theirs, ours) = duplex(chunk);
        let mut ours = Metered::new(ours, RATE);
        let chunk = bytes.repeat(chunk / bytes.len());
        let flood = tokio::spawn(async move { while theirs.write_all(&chunk).await.is_ok() {} });
        let (start, mut read, mut buffer) = (Instant::now(), 0, [0; 1024]);
        while start.elapsed() < Duration::from_secs(10) {
            read += ours.read(&mut buffer).await.unwrap();
        }
        flood.abort();
        read
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_reads_and_frames_of_a_flood_are_all_limited() {
        // The rate of ten seconds, what may be used in advance, and the frames of one read.
        let is_ten_seconds = |bytes: usize| (9 * RATE..=14 * RATE).contains(&bytes);
        // The payload of one frame that is longer than the flood.
        let long = [0x82, 0xFF, 0, 0, 0, 0x82, 0, 0, 0, 0, 0, 0, 0, 0];
        let read = in_ten_seconds(&long, 64 * 1024).await;
        assert!(is_ten_seconds(read), "{read}");
        let reads = in_ten_seconds(&long, long.len()).await / long.len();
        assert!(is_ten_seconds(reads * LEAST), "{reads}");
        // Fragments without any payload.
        let frames = in_ten_seconds(&[0x00, 0x80, 0, 0, 0, 0], 64 * 1024).await / 6;
        assert!(is_ten_seconds(frames * FRAME_COST), "{frames}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_slower_than_the_rate_never_waits() {
        let (mut theirs, ours) = duplex(64 * 1024);
        let mut ours = Metered::new(ours, RATE);
        // A binary message that has this length with its header.
        let length = u16::try_from(RATE / 2 - 8).unwrap().to_be_bytes();
        let mut message = [&[0x82, 0xFE], &length[..], &vec![0; RATE / 2 - 4]].concat();
        for _ in 0..100 {
            theirs.write_all(&message).await.unwrap();
            let start = Instant::now();
            ours.read_exact(&mut message).await.unwrap();
            assert_eq!(start.elapsed(), Duration::ZERO);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}
