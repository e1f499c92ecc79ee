//! What a WebSocket is sent because time has passed.

use std::{pin::Pin, time::Duration};

use tokio::time::{Instant, Sleep, sleep_until};

use super::super::HEARTBEAT;

/// How often the peer is asked for a sign of life.
pub(super) const PING: Duration = Duration::from_secs(11);

/// What is to be sent because time has passed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Beat {
    Ping,
    Text,
}

/// When the next ones are due, with one timer for both.
pub(super) struct Beats {
    timer: Pin<Box<Sleep>>,
    ping: Instant,
    /// For a client that is a page.
    text: Option<Instant>,
}

impl Beats {
    pub(super) fn new(with_text: bool) -> Self {
        let now = Instant::now();
        let (ping, text) = (now + PING, with_text.then(|| now + HEARTBEAT));
        Self { timer: Box::pin(sleep_until(ping)), ping, text }
    }

    /// Nothing is lost where the future is dropped.
    pub(super) async fn next(&mut self) -> Beat {
        self.timer.as_mut().await;
        let now = Instant::now();
        let beat = match &mut self.text {
            Some(text) if *text <= self.ping => {
                *text = now + HEARTBEAT;
                Beat::Text
            }
            _ => {
                self.ping = now + PING;
                Beat::Ping
            }
        };
        self.timer.as_mut().reset(self.text.map_or(self.ping, |text| text.min(self.ping)));
        beat
    }
}
