//! Connections that come and go, by transport.

use crate::{counter::Counter, wire::Transport};

/// How many connections have been opened, and how many of them have gone.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    sse: Passed,
    websocket: Passed,
}

#[derive(Debug, Default)]
struct Passed {
    opened: Counter,
    gone: Counter,
}

impl Traffic {
    fn of(&self, transport: Transport) -> &Passed {
        match transport {
            Transport::Sse => &self.sse,
            Transport::WebSocket => &self.websocket,
        }
    }

    pub(crate) fn opened(&self, transport: Transport) {
        self.of(transport).opened.add(1);
    }

    pub(crate) fn gone(&self, transport: Transport) {
        self.of(transport).gone.add(1);
    }

    /// How many have been opened, and how many of them are open.
    pub(crate) fn read(&self, transport: Transport) -> (u64, u64) {
        let Passed { opened, gone } = self.of(transport);
        // What has gone is read first, since it was opened before.
        let gone = gone.get();
        let opened = opened.get();
        (opened, opened.saturating_sub(gone))
    }
}
