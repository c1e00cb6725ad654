//! Fuzz target: `postrider_fuzz::storage::record`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postrider_fuzz::storage::record::run(data));
