//! The modules of the macro crate as a library: a crate of macros cannot be called from
//! outside of a compiler.

#[path = "../../../umbral-presence-macros/src/args/mod.rs"]
mod args;
#[path = "../../../umbral-presence-macros/src/assemble.rs"]
mod assemble;
#[path = "../../../umbral-presence-macros/src/diag.rs"]
mod diag;
#[path = "../../../umbral-presence-macros/src/expand/mod.rs"]
mod expand;
#[path = "../../../umbral-presence-macros/src/tests/holds.rs"]
mod holds;
#[path = "../../../umbral-presence-macros/src/model.rs"]
mod model;
#[path = "../../../umbral-presence-macros/src/name.rs"]
mod name;
#[path = "../../../umbral-presence-macros/src/pattern.rs"]
mod pattern;
#[path = "../../../umbral-presence-macros/src/validate/mod.rs"]
mod validate;

/// Checks what holds for `#[presence(attribute)] item`, and panics where it does not.
pub fn expand(attribute: &str, item: &str) {
    holds::holds(attribute, item);
}
