//! Those who wait for one thing to happen.

use tokio::sync::oneshot;

/// Ends when what was waited for has happened, or does not happen any more.
pub(crate) type Wait = oneshot::Receiver<()>;

/// They are let go when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Waits(Vec<oneshot::Sender<()>>);

impl Waits {
    /// One more.
    pub(super) fn add(&mut self) -> Wait {
        if self.0.len() == self.0.capacity() {
            self.0.retain(|other| !other.is_closed());
        }
        let (sender, wait) = oneshot::channel();
        self.0.push(sender);
        wait
    }
}
