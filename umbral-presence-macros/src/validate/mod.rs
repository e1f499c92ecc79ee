//! The rules, one small function each. An error stands at the token that is wrong, and says
//! what would be right.
//!
//! To add a rule, write its function here, call it in `assemble`, and add a mistake with its
//! message to `ui-tests/fail`.

pub(crate) mod grace;
pub(crate) mod item;
pub(crate) mod keys;
pub(crate) mod pattern;
pub(crate) mod shape;
pub(crate) mod texts;
