//! What happens on a WebSocket because time has passed.

use std::{pin::Pin, time::Duration};

use tokio::time::{Instant, Sleep, sleep_until};

use super::super::site::HEARTBEAT;

/// How often the peer is asked for a sign of life.
const PING: Duration = Duration::from_secs(11);

/// How long its answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// A peer of which nothing is heard for so long is gone: with a grace of 3 s its user leaves
/// within 25 s.
const SILENCE: Duration = PING.saturating_add(ANSWER);

/// What it has said may be here and not read yet, where this process stood still.
const LAST_CALL: Duration = Duration::from_millis(100);

/// What is to be done because time has passed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Beat {
    Ping,
    Text,
    /// Nothing was heard of the peer for too long.
    Silence,
}

/// When the next ones are due, with one timer for all of them.
pub(super) struct Beats {
    timer: Pin<Box<Sleep>>,
    ping: Instant,
    /// For a client that is a page.
    text: Option<Instant>,
    lost_at: Instant,
}

impl Beats {
    pub(super) fn new(with_text: bool) -> Self {
        let now = Instant::now();
        let (ping, text) = (now + PING, with_text.then(|| now + HEARTBEAT));
        Self { timer: Box::pin(sleep_until(ping)), ping, text, lost_at: now + SILENCE }
    }

    /// When the peer is lost, unless something is heard of it.
    pub(super) fn lost_at(&self) -> Instant {
        self.lost_at
    }

    /// Something was heard of the peer.
    pub(super) fn heard(&mut self) {
        self.lost_at = Instant::now() + SILENCE;
    }

    /// What is due next, and when.
    fn due(&self) -> (Instant, Beat) {
        let text = self.text.map(|text| (text, Beat::Text));
        let rest = [(self.ping, Beat::Ping), (self.lost_at, Beat::Silence)];
        let all = text.into_iter().chain(rest);
        all.min_by_key(|(at, _)| *at).unwrap_or((self.ping, Beat::Ping))
    }

    /// Nothing is lost where the future is dropped.
    pub(super) async fn next(&mut self) -> Beat {
        loop {
            self.timer.as_mut().await;
            let (now, (at, beat)) = (Instant::now(), self.due());
            let is_due = at <= now;
            if is_due {
                match beat {
                    Beat::Ping => self.ping = now + PING,
                    Beat::Text => self.text = Some(now + HEARTBEAT),
                    Beat::Silence => self.lost_at = now + LAST_CALL,
                }
            }
            let (next, _) = self.due();
            self.timer.as_mut().reset(next);
            if is_due {
                return beat;
            }
            // Something has been heard since the timer was set.
        }
    }
}
