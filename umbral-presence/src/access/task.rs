//! A task that is started when there is first something for it.

use std::future::Future;

use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
};

/// The way to a task.
#[derive(Debug)]
pub(super) struct Task<T>(Mutex<Option<UnboundedSender<T>>>);

impl<T> Default for Task<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Task<T> {
    /// Hands something to the task, and starts it where it does not run: the application may have been
    /// built before its runtime was started, and may outlive it.
    pub(super) fn send<F>(&self, what: T, run: impl FnOnce(UnboundedReceiver<T>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut task = self.0.lock();
        if task.as_ref().is_none_or(UnboundedSender::is_closed)
            && let Ok(runtime) = Handle::try_current()
        {
            let (sender, arrivals) = mpsc::unbounded_channel();
            runtime.spawn(run(arrivals));
            *task = Some(sender);
        }
        if let Some(task) = &*task {
            // The task ends only with its runtime, and then its connections have ended too.
            let _ = task.send(what);
        }
    }
}
