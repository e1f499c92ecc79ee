//! The times at which a WebSocket is pinged, kept alive, or found to be lost.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

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

    /// Waits for the next beat.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Beat> {
        loop {
            let (at, beat) = self.due();
            ready!(self.poll_until(at, cx));
            let now = Instant::now();
            match beat {
                Beat::Ping => self.ping = now + PING,
                Beat::Text => self.text = Some(now + HEARTBEAT),
                Beat::Silence => {
                    self.lost_at = now + LAST_CALL;
                    if !std::mem::replace(&mut self.last_call, true) {
                        continue;
                    }
                }
            }
            return Poll::Ready(beat);
        }
    }

    /// Waits until the peer counts as lost, which no other beat puts off.
    pub(super) fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_until(self.lost_at, cx)
    }

    fn poll_until(&mut self, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
        if self.timer.deadline() != at {
            self.timer.as_mut().reset(at);
        }
        self.timer.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_write_that_waits_is_given_up_in_time_and_puts_no_beat_off() {
        let (start, mut beats) = (Instant::now(), Beats::new(false));
        let at =
            |time: Duration| (time..time + Duration::from_millis(10)).contains(&start.elapsed());
        assert!(poll_fn(|cx| beats.poll_lost(cx)).now_or_never().is_none());
        assert!(matches!(poll_fn(|cx| beats.poll_next(cx)).await, Beat::Ping) && at(PING));
        poll_fn(|cx| beats.poll_lost(cx)).await;
        assert!(at(SILENCE));
        beats.heard();
        assert!(matches!(poll_fn(|cx| beats.poll_next(cx)).await, Beat::Ping) && at(2 * PING));
    }
}
