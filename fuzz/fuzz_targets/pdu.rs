//! Fuzz target: `postrider_fuzz::smpp::pdu`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postrider_fuzz::smpp::pdu::run(data));
