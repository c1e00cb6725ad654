//! The crate rusmpp-core in its form that borrows from the receive buffer; room for four TLVs. Pure, one per
//! process.

use core::hint::black_box;

use rusmpp_core::CommandStatus;
use rusmpp_core::command::borrowed::Command;
use rusmpp_core::decode::borrowed::DecodeWithLength;
use rusmpp_core::encode::{Encode, Length};
use rusmpp_core::pdus::borrowed::{Pdu, SubmitSm, SubmitSmResp};
use rusmpp_core::types::borrowed::{COctetString, EmptyOrFullCOctetString, OctetString};
use rusmpp_core::values::{EsmClass, Npi, RegisteredDelivery, Ton};

use crate::Codec;
use crate::sample::{DEST, ID, SOURCE, TEXT, VALIDITY};

const TLVS: usize = 4;

pub(crate) struct Borrowed {
    out: Vec<u8>,
}

impl Borrowed {
    pub(crate) fn new() -> Self {
        Self { out: Vec::with_capacity(4_096) }
    }

    /// As its codec for tokio does: the length, then the command.
    fn write(&mut self, command: &Command<'_, TLVS>) -> &[u8] {
        let length = 4 + command.length();
        self.out.clear();
        self.out.resize(length, 0);
        let (head, body) = self.out.split_at_mut(4);
        head.copy_from_slice(&u32::try_from(length).expect("a short PDU").to_be_bytes());
        command.encode(body);
        &self.out
    }
}

fn read(pdu: &[u8]) -> Command<'_, TLVS> {
    let (length, command) = pdu.split_first_chunk::<4>().expect("a length");
    let length = usize::try_from(u32::from_be_bytes(*length)).expect("a length");
    assert!(length == pdu.len() && length < 70_000, "a whole PDU");
    <Command<'_, TLVS> as DecodeWithLength>::decode(command, length - 4).expect("a command").0
}

impl Codec for Borrowed {
    fn encode_submit(&mut self) -> &[u8] {
        let submit = SubmitSm::<TLVS>::builder()
            .source_addr_ton(Ton::Alphanumeric)
            .source_addr_npi(Npi::Unknown)
            .source_addr(COctetString::new(black_box(SOURCE)).expect("a sender"))
            .dest_addr_ton(Ton::International)
            .dest_addr_npi(Npi::Isdn)
            .destination_addr(COctetString::new(black_box(DEST)).expect("a recipient"))
            .esm_class(EsmClass::from(0))
            .validity_period(EmptyOrFullCOctetString::new(black_box(VALIDITY)).expect("a time"))
            .registered_delivery(RegisteredDelivery::from(1))
            .short_message(OctetString::new(black_box(TEXT)).expect("a text"))
            .build();
        self.write(&Command::new(CommandStatus::EsmeRok, 1, submit))
    }

    fn decode_submit(&mut self, pdu: &[u8]) -> u8 {
        let command = black_box(read(pdu));
        let Some(Pdu::SubmitSm(submit)) = command.pdu() else { panic!("a message") };
        let [.., last, 0] = submit.destination_addr.bytes() else { panic!("a digit") };
        *last
    }

    fn encode_resp(&mut self) -> &[u8] {
        let id = COctetString::new(black_box(ID)).expect("an id");
        let answer = SubmitSmResp::<TLVS>::builder().message_id(id).build();
        self.write(&Command::new(CommandStatus::EsmeRok, 1, answer))
    }

    fn decode_resp(&mut self, pdu: &[u8]) -> u8 {
        let command = black_box(read(pdu));
        let Some(Pdu::SubmitSmResp(answer)) = command.pdu() else { panic!("an answer") };
        let [.., last, 0] = answer.message_id().bytes() else { panic!("a digit") };
        *last
    }
}
