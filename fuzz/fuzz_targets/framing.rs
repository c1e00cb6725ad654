//! Fuzz target: `postrider_fuzz::smpp::framing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postrider_fuzz::smpp::framing::run(data));
