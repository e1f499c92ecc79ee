//! The times at which a WebSocket is pinged, kept alive, or found to be lost.

use std::{pin::Pin, time::Duration};

use tokio::time::{Instant, Sleep, sleep_until};

use super::super::site::HEARTBEAT;

/// The interval between two pings.
const PING: Duration = Duration::from_secs(11);

/// The time in which the peer must answer a ping.
const ANSWER: Duration = Duration::from_secs(10);

/// A peer that is silent for this time is gone. With a grace of 3 s its user leaves within 25 s.
const SILENCE: Duration = PING.saturating_add(ANSWER);

/// If this process stood still, what the peer sent may have arrived and not been read. It is read
/// within this time.
const LAST_CALL: Duration = Duration::from_millis(100);

/// What is due.
#[derive(Clone, Copy, Debug)]
pub(super) enum Beat {
    Ping,
    Text,
    /// The peer has been silent for too long.
    Silence,
}

/// When each beat is due. One timer serves all of them.
pub(super) struct Beats {
    timer: Pin<Box<Sleep>>,
    ping: Instant,
    /// When the next heartbeat of a page is due. Another client gets none.
    text: Option<Instant>,
    lost_at: Instant,
    /// The peer has been silent for too long, and what may have arrived is being read.
    last_call: bool,
}

impl Beats {
    pub(super) fn new(with_text: bool) -> Self {
        let now = Instant::now();
        let (ping, text) = (now + PING, with_text.then(|| now + HEARTBEAT));
        Self {
            timer: Box::pin(sleep_until(ping)),
            ping,
            text,
            lost_at: now + SILENCE,
            last_call: false,
        }
    }

    /// When the peer counts as lost if it stays silent.
    pub(super) fn lost_at(&self) -> Instant {
        self.lost_at
    }

    /// The peer has sent something.
    pub(super) fn heard(&mut self) {
        (self.lost_at, self.last_call) = (Instant::now() + SILENCE, false);
    }

    /// The next beat, and when it is due.
    fn due(&self) -> (Instant, Beat) {
        let text = self.text.map(|text| (text, Beat::Text));
        let rest = [(self.ping, Beat::Ping), (self.lost_at, Beat::Silence)];
        let all = text.into_iter().chain(rest);
        all.min_by_key(|(at, _)| *at).unwrap_or((self.ping, Beat::Ping))
    }

    /// Waits for the next beat. No beat is lost if the future is dropped.
    pub(super) async fn next(&mut self) -> Beat {
        loop {
            self.timer.as_mut().await;
            let (now, (at, beat)) = (Instant::now(), self.due());
            let mut is_due = at <= now;
            if is_due {
                match beat {
                    Beat::Ping => self.ping = now + PING,
                    Beat::Text => self.text = Some(now + HEARTBEAT),
                    Beat::Silence => {
                        self.lost_at = now + LAST_CALL;
                        is_due = std::mem::replace(&mut self.last_call, true);
                    }
                }
            }
            let (next, _) = self.due();
            self.timer.as_mut().reset(next);
            if is_due {
                return beat;
            }
            // The peer has sent something since the timer was set, or may have.
        }
    }
}
