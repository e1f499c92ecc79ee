//! The same as with the feature `metrics`, and nothing in it.

use std::time::Duration;

use super::what::{Function, Timed};
use crate::{roster::Change, wire::Transport};

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Declared {}

#[derive(Debug, Default)]
pub(crate) struct Declarations;

#[allow(clippy::unused_self)]
impl Declarations {
    pub(crate) fn add(&mut self, _: impl FnOnce() -> String) -> Declared {
        Declared {}
    }
}

#[derive(Debug)]
pub(crate) struct Tally;

#[allow(clippy::unused_self)]
impl Tally {
    pub(crate) fn of(_: Option<&Declared>) -> Self {
        Self
    }

    pub(crate) fn has(&mut self, _members: usize) {}

    pub(crate) fn told(&self, _: &[Change]) {}

    pub(crate) fn cancelled(&self, _count: u64) {}

    pub(crate) fn end(&mut self) {}
}

#[derive(Debug, Default)]
pub(crate) struct Traffic;

#[allow(clippy::unused_self)]
impl Traffic {
    pub(crate) fn opened(&self, _: Transport) {}

    pub(crate) fn gone(&self, _: Transport) {}
}

#[allow(clippy::unused_self)]
impl Timed {
    pub(crate) fn took(self, _: Duration) {}
}

#[derive(Debug)]
pub(crate) struct Stopwatch;

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self
    }

    #[allow(clippy::unused_self)]
    pub(crate) fn stop(self, _: Timed) {}
}

#[allow(clippy::unused_self)]
impl Function {
    pub(crate) fn has_failed(self, _count: u64) {}
}

pub(crate) fn refused(_code: &'static str, _count: u64) {}
