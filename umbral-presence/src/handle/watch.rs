//! Watches a group from inside the application.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;

use crate::{
    group::{GroupCell, Transition, WatchQueue},
    hub::Hub,
    name::GroupName,
};

/// The stream of a group's transitions, which [`Presence::watch`](crate::Presence::watch) returns. It
/// never ends by itself. Drop it to stop watching.
#[derive(Debug)]
pub struct Watch {
    hub: Arc<Hub>,
    cell: Arc<GroupCell>,
    queue: Arc<WatchQueue>,
}

impl Watch {
    pub(crate) fn new(hub: Arc<Hub>, group: &GroupName) -> Self {
        let queue = Arc::default();
        let cell = hub.watch(group, &queue);
        Self { hub, cell, queue }
    }
}

impl Stream for Watch {
    type Item = Transition;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Transition>> {
        self.queue.poll_next(cx).map(|next| match next {
            Some(transition) => Some(transition),
            None => Some(Transition::Sync(self.hub.resync_watcher(&self.cell, &self.queue))),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.hub.unwatch(&self.cell, &self.queue);
    }
}
