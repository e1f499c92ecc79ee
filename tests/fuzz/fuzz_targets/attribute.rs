//! See `fuzz::attribute`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::attribute(data));
