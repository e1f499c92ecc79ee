//! Letters that wait to be sent. They go out in order, many with one command.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::topic::Topic;

/// So many bytes wait at most. What comes when more do is not sent.
const MOST: usize = 8 << 20;

/// So many letters, and so many bytes, go out together.
const TOGETHER: usize = 256;
const BYTES_TOGETHER: usize = 1 << 20;

/// What a letter takes besides its text.
const AROUND: usize = 100;

/// A letter, and whom it is for.
pub(super) type Outgoing = (Topic, Vec<u8>);

/// Letters that wait.
#[derive(Debug)]
pub(super) struct Post {
    letters: mpsc::UnboundedSender<Outgoing>,
    waiting: AtomicUsize,
}

impl Post {
    /// Nothing waits yet. What does comes out at the other end.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Outgoing>) {
        let (letters, out) = mpsc::unbounded_channel();
        (Self { letters, waiting: AtomicUsize::new(0) }, out)
    }

    /// Has a letter sent. Says whether there is room for it.
    pub(super) fn send(&self, topic: Topic, letter: Vec<u8>) -> bool {
        let bytes = letter.len() + AROUND;
        if self.waiting.fetch_add(bytes, Ordering::Relaxed) + bytes > MOST {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        self.letters.send((topic, letter)).is_ok()
    }

    /// What goes out together, beginning with `first`.
    pub(super) fn together(
        &self,
        first: Outgoing,
        out: &mut mpsc::UnboundedReceiver<Outgoing>,
    ) -> Vec<Outgoing> {
        let (mut letters, mut bytes) = (vec![first], 0);
        while letters.len() < TOGETHER
            && bytes < BYTES_TOGETHER
            && let Ok(letter) = out.try_recv()
        {
            bytes += letter.1.len();
            letters.push(letter);
        }
        let taken = letters.iter().map(|(_, letter)| letter.len() + AROUND).sum();
        self.waiting.fetch_sub(taken, Ordering::Relaxed);
        letters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::whom::Whom;

    #[test]
    fn what_waits_is_bounded_and_goes_out_in_order() {
        let (post, mut out) = Post::new();
        let mut sent = 0_u32;
        while post.send(Topic::For(Whom::Everybody), vec![0; 1000]) {
            sent += 1;
        }
        assert!((7000..8000).contains(&sent), "{sent}");
        let mut came = 0;
        while let Ok(first) = out.try_recv() {
            let letters = post.together(first, &mut out);
            assert!(letters.len() <= TOGETHER);
            came += u32::try_from(letters.len()).unwrap();
        }
        assert_eq!((came, post.waiting.load(Ordering::Relaxed)), (sent, 0));
    }
}
