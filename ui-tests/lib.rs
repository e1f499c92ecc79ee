//! What the compiler says about `#[presence(..)]`: `fail/` holds one mistake per file with
//! the message that it gets, `pass/` what must compile.
