//! The same submit_sm and submit_sm_resp through our codec and through those of others. Each keeps its
//! buffers from one message to the next, as a program that is made for speed would. Pure, one per process.
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a benchmark that cannot set up its subject has nothing to measure"
)]

mod ours;
mod rusmpp_borrowed;
mod rusmpp_owned;
mod sample;
mod smpp_codec;

/// One codec, with everything that it keeps between messages.
pub trait Codec {
    /// Fields to octets: a submit_sm into the emptied send buffer, whose octets are given back.
    fn encode_submit(&mut self) -> &[u8];
    /// Octets to fields: the last digit of the destination.
    fn decode_submit(&mut self, pdu: &[u8]) -> u8;
    /// Fields to octets: its response.
    fn encode_resp(&mut self) -> &[u8];
    /// Octets to fields: the last digit of the message id.
    fn decode_resp(&mut self, pdu: &[u8]) -> u8;
}

/// Every codec by name, ours first.
pub const CODECS: [(&str, fn() -> Box<dyn Codec>); 4] = [
    ("postrider-smpp", || Box::new(ours::Ours::new())),
    ("rusmpp-core, borrowed", || Box::new(rusmpp_borrowed::Borrowed::new())),
    ("rusmpp-core, owned", || Box::new(rusmpp_owned::Owned::new())),
    ("smpp-codec", || Box::new(smpp_codec::Strings::new())),
];

pub use ours::Pair;

/// What every codec must write.
#[must_use]
pub fn reference() -> (Vec<u8>, Vec<u8>) {
    let mut ours = ours::Ours::new();
    (ours.encode_submit().to_vec(), ours.encode_resp().to_vec())
}
