//! Whether the store is reached, for `health()` and the log.

use std::{fmt::Display, time::SystemTime};

use parking_lot::Mutex;

use crate::store::degraded::Degraded;

/// Whether the store is reached.
#[derive(Debug)]
pub(super) struct Status {
    /// Where the store is, as a log may say it.
    place: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    degraded: Option<Degraded>,
    /// What kept this node from the store last.
    why: String,
}

impl Status {
    pub(super) fn new(place: &impl Display) -> Self {
        let state = State { degraded: None, why: "no connection has been made yet".into() };
        Self { place: place.to_string(), state: Mutex::new(state) }
    }

    /// There is no connection, for this reason. `is_lasting`: it does not pass by itself.
    pub(super) fn failed(&self, why: &impl Display, is_lasting: bool) {
        let why = why.to_string();
        let state = &mut *self.state.lock();
        if let Some(degraded) = &mut state.degraded {
            if is_lasting && degraded.why != why {
                tracing::error!(place = self.place, "the presence store cannot be used: {why}");
            }
            degraded.why.clone_from(&why);
        }
        state.why = why;
    }

    /// There is a connection, which has not been used yet.
    pub(super) fn connected(&self) {
        self.state.lock().why = "the store has not answered yet".into();
    }

    /// This node goes on alone, or with the others again.
    pub(super) fn set_alone(&self, is_alone: bool) {
        let state = &mut *self.state.lock();
        match (is_alone, state.degraded.take()) {
            (true, None) => {
                let why = state.why.clone();
                tracing::error!(
                    place = self.place,
                    "the presence store is out of reach: {why}; this node goes on alone, and shows users of other nodes as they were"
                );
                state.degraded = Some(Degraded::new(why));
            }
            (false, Some(before)) => {
                let away = SystemTime::now().duration_since(before.since).unwrap_or_default();
                let seconds = away.as_secs();
                tracing::info!(place = self.place, seconds, "the presence store is back");
            }
            (_, before) => state.degraded = before,
        }
    }

    pub(super) fn degraded(&self) -> Option<Degraded> {
        self.state.lock().degraded.clone()
    }
}
