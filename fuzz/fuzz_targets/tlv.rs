//! Fuzz target: `postrider_fuzz::smpp::tlv`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postrider_fuzz::smpp::tlv::run(data));
