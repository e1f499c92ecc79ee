//! Whether somebody is at the other end of a connection.

use std::time::{Duration, Instant};

use crate::sync::Mutex;

/// A client that may show by `control` that it is there, and has not for so long, is taken
/// for lost, though a proxy may still hold the socket.
const PROOF_OF_LIFE: Duration = Duration::from_secs(60);

/// A transport that has not asked for anything for so long, which is three heartbeats, has a
/// socket that is stuck.
const STUCK: Duration = Duration::from_secs(45);

/// A reader that takes nothing for so long, while something waits for it, is taken for lost.
const DRAINS_WITHIN: Duration = Duration::from_secs(30);

/// When there was last a sign that somebody is at the other end.
#[derive(Debug)]
pub(crate) struct Liveness(Mutex<Signs>);

#[derive(Clone, Copy, Debug)]
struct Signs {
    /// The client made a `control` call.
    client: Instant,
    /// The transport asked for the next frame, which it does with every heartbeat unless
    /// its socket is stuck.
    reader: Instant,
    /// How often the transport has written something.
    written: u64,
    /// How often something had been taken and written when it was last looked at, and since
    /// when that has been so while something waits.
    progress: Option<(u64, Instant)>,
}

impl Liveness {
    pub(crate) fn new(now: Instant) -> Self {
        Self(Mutex::new(Signs { client: now, reader: now, written: 0, progress: None }))
    }

    /// The client has shown that it is there.
    pub(crate) fn prove(&self, now: Instant) {
        self.0.lock().client = now;
    }

    /// The transport takes what is queued.
    pub(crate) fn is_read(&self, now: Instant) {
        self.0.lock().reader = now;
    }

    /// The socket has taken what was written to it.
    pub(crate) fn has_written(&self, now: Instant) {
        let mut signs = self.0.lock();
        (signs.reader, signs.written) = (now, signs.written + 1);
    }

    /// Whether nobody is at the other end any more. To be asked now and then, since it is seen by
    /// looking twice whether a reader takes anything: `taken` is how often it has, while
    /// something waits. Only a client that can prove that it is there has to.
    pub(crate) fn is_lost(&self, can_prove: bool, taken: Option<u64>, now: Instant) -> bool {
        let mut signs = self.0.lock();
        let silent = can_prove && now.duration_since(signs.client) > PROOF_OF_LIFE;
        let stuck = now.duration_since(signs.reader) > STUCK;
        let written = signs.written;
        signs.progress = taken.map(|taken| taken + written).map(|taken| match signs.progress {
            Some((before, since)) if before == taken => (taken, since),
            _ => (taken, now),
        });
        let since = signs.progress.map_or(now, |(_, since)| since);
        silent || stuck || now.duration_since(since) >= DRAINS_WITHIN
    }
}
