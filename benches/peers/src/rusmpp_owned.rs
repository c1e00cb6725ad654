//! The crate rusmpp-core in its form that owns its fields, through its codec for tokio, as rusmppc uses it.
//! Pure, one per process.

use core::hint::black_box;

use bytes::BytesMut;
use rusmpp_core::CommandStatus;
use rusmpp_core::command::owned::Command;
use rusmpp_core::pdus::owned::{Pdu, SubmitSm, SubmitSmResp};
use rusmpp_core::tokio_codec::CommandCodec;
use rusmpp_core::types::owned::{COctetString, EmptyOrFullCOctetString, OctetString};
use rusmpp_core::values::{EsmClass, Npi, RegisteredDelivery, Ton};
use tokio_util::codec::{Decoder, Encoder};

use crate::Codec;
use crate::sample::{DEST, ID, SOURCE, TEXT, VALIDITY};

pub(crate) struct Owned {
    out: BytesMut,
    read: BytesMut,
    codec: CommandCodec,
}

impl Owned {
    pub(crate) fn new() -> Self {
        let buffer = || BytesMut::with_capacity(4_096);
        Self { out: buffer(), read: buffer(), codec: CommandCodec::new() }
    }

    fn write(&mut self, command: &Command) -> &[u8] {
        self.out.clear();
        self.codec.encode(command, &mut self.out).expect("a command");
        &self.out
    }

    /// The octets have to be in its own buffer, where a read would have put them.
    fn read(&mut self, pdu: &[u8]) -> Command {
        self.read.extend_from_slice(pdu);
        self.codec.decode(&mut self.read).expect("a command").expect("a whole one")
    }
}

impl Codec for Owned {
    fn encode_submit(&mut self) -> &[u8] {
        let submit = SubmitSm::builder()
            .source_addr_ton(Ton::Alphanumeric)
            .source_addr_npi(Npi::Unknown)
            .source_addr(COctetString::from_slice(black_box(SOURCE)).expect("a sender"))
            .dest_addr_ton(Ton::International)
            .dest_addr_npi(Npi::Isdn)
            .destination_addr(COctetString::from_slice(black_box(DEST)).expect("a recipient"))
            .esm_class(EsmClass::from(0))
            .validity_period(
                EmptyOrFullCOctetString::from_slice(black_box(VALIDITY)).expect("a time"),
            )
            .registered_delivery(RegisteredDelivery::from(1))
            .short_message(OctetString::from_slice(black_box(TEXT)).expect("a text"))
            .build();
        self.write(&Command::new(CommandStatus::EsmeRok, 1, submit))
    }

    fn decode_submit(&mut self, pdu: &[u8]) -> u8 {
        let command = black_box(self.read(pdu));
        let Some(Pdu::SubmitSm(submit)) = command.pdu() else { panic!("a message") };
        *submit.destination_addr.as_str().as_bytes().last().expect("a digit")
    }

    fn encode_resp(&mut self) -> &[u8] {
        let id = COctetString::from_slice(black_box(ID)).expect("an id");
        let answer = SubmitSmResp::builder().message_id(id).build();
        self.write(&Command::new(CommandStatus::EsmeRok, 1, answer))
    }

    fn decode_resp(&mut self, pdu: &[u8]) -> u8 {
        let command = black_box(self.read(pdu));
        let Some(Pdu::SubmitSmResp(answer)) = command.pdu() else { panic!("an answer") };
        *answer.message_id().as_str().as_bytes().last().expect("a digit")
    }
}
