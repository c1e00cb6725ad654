//! The crate smpp-codec: strings and vectors of its own for every field. Pure, one per process.

use core::hint::black_box;

use smpp_codec::common::{Npi, Ton};
use smpp_codec::pdus::{SubmitSmRequest, SubmitSmResponse};

use crate::Codec;
use crate::sample::{DEST, ID, SOURCE, TEXT, VALIDITY, text};

pub(crate) struct Strings {
    out: Vec<u8>,
}

impl Strings {
    pub(crate) fn new() -> Self {
        Self { out: Vec::with_capacity(4_096) }
    }
}

impl Codec for Strings {
    fn encode_submit(&mut self) -> &[u8] {
        let (source, dest) = (text(black_box(SOURCE)), text(black_box(DEST)));
        let mut submit = SubmitSmRequest::new(1, source, dest, black_box(TEXT).to_vec());
        submit.source_addr_ton = Ton::Alphanumeric;
        submit.dest_addr_ton = Ton::International;
        submit.dest_addr_npi = Npi::Isdn;
        submit.validity_period = text(black_box(VALIDITY));
        submit.registered_delivery = 1;
        self.out.clear();
        submit.encode(&mut self.out).expect("fields in bounds");
        &self.out
    }

    fn decode_submit(&mut self, pdu: &[u8]) -> u8 {
        let submit = black_box(SubmitSmRequest::decode(pdu).expect("a message"));
        *submit.dest_addr.as_bytes().last().expect("a digit")
    }

    fn encode_resp(&mut self) -> &[u8] {
        let answer = SubmitSmResponse::new(1, "ESME_ROK", text(black_box(ID)));
        self.out.clear();
        answer.encode(&mut self.out).expect("fields in bounds");
        &self.out
    }

    fn decode_resp(&mut self, pdu: &[u8]) -> u8 {
        let answer = black_box(SubmitSmResponse::decode(pdu).expect("an answer"));
        *answer.message_id.as_bytes().last().expect("a digit")
    }
}
