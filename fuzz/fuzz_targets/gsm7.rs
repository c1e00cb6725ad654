//! Fuzz target: `postrider_fuzz::core::gsm7`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postrider_fuzz::core::gsm7::run(data));
