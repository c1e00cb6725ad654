//! Fuzz target: `postrider_fuzz::core::reassembly`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postrider_fuzz::core::reassembly::run(data));
