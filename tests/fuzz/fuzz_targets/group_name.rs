//! See `fuzz::group_name`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::group_name(data));
