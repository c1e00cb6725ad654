//! A carrier that costs next to nothing: it copies prepared PDUs and writes numbers into them. One
//! per gateway in memory.

use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::{Frame, encode_bind_response, encode_empty, encode_response, next_frame};
use postrider_smpp::status::CommandStatus;

use super::write_digits;
use crate::sample::{FIRST_NUMBER, receipt_pdu};

/// Where sequence_number stands in a PDU.
const SEQUENCE_AT: usize = 12;
/// Where destination_addr stands in the body of our submit_sm: behind service_type (empty), the
/// source "Postrider" and four octets of TON and NPI.
const DEST_AT: usize = 1 + 2 + 10 + 2;
const DEST_DIGITS: usize = 12;
const ID_DIGITS: usize = 10;

/// A PDU of which copies are sent, and where numbers go into it.
struct Form {
    pdu: Vec<u8>,
    id_at: usize,
    source_at: usize,
}

/// See the module.
pub(super) struct Carrier {
    response: Form,
    receipt: Form,
    next_id: u64,
    next_sequence: u32,
    /// What to send first: answers.
    answers: Vec<u8>,
    /// What to send then.
    receipts: Vec<u8>,
    sending: Vec<u8>,
}

impl Carrier {
    pub(super) fn new() -> Self {
        let mut response = Vec::new();
        let command = CommandId::SUBMIT_SM.response();
        let id = [b'0'; ID_DIGITS];
        encode_response(&mut response, command, CommandStatus::ESME_ROK, 0, Some(&id))
            .expect("an id in bounds");
        Carrier {
            response: Form { id_at: 16, source_at: 0, pdu: response },
            receipt: receipt_form(),
            next_id: 1,
            next_sequence: 1,
            answers: Vec::new(),
            receipts: Vec::new(),
            sending: Vec::new(),
        }
    }

    /// Takes whole PDUs of the gateway.
    pub(super) fn take(&mut self, mut octets: &[u8]) {
        while let Some((frame, used)) = next_frame(octets, u32::MAX).expect("whole PDUs") {
            self.answer(&frame);
            octets = octets.get(used..).unwrap_or_default();
        }
        assert!(octets.is_empty(), "only whole PDUs are written");
    }

    /// The answers and the receipts that it has to send: empty where there is nothing.
    pub(super) fn take_waiting(&mut self) -> [Vec<u8>; 2] {
        [core::mem::take(&mut self.answers), core::mem::take(&mut self.receipts)]
    }

    /// The next octets for the gateway: answers, then receipts.
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        let waiting = if self.answers.is_empty() { &mut self.receipts } else { &mut self.answers };
        self.sending.clear();
        self.sending.append(waiting);
        (!self.sending.is_empty()).then_some(&self.sending)
    }

    fn answer(&mut self, frame: &Frame<'_>) {
        let (command, sequence) = (frame.header.command, frame.header.sequence);
        match command {
            CommandId::SUBMIT_SM => self.submitted(frame.body, sequence),
            CommandId::BIND_TRANSCEIVER => {
                let response = command.response();
                encode_bind_response(&mut self.answers, response, sequence, b"alpha", Some(0x34))
                    .expect("a bind response");
            }
            CommandId::ENQUIRE_LINK => {
                let (response, ok) = (command.response(), CommandStatus::ESME_ROK);
                encode_empty(&mut self.answers, response, ok, sequence).expect("an empty PDU");
            }
            _ => assert!(command.is_response(), "not in this play: {command:?}"),
        }
    }

    fn submitted(&mut self, body: &[u8], sequence: u32) {
        let number = body.get(DEST_AT..DEST_AT + DEST_DIGITS).expect("a destination");
        let at = self.answers.len();
        self.answers.extend_from_slice(&self.response.pdu);
        let answer = self.answers.get_mut(at..).unwrap_or_default();
        write_sequence(answer, sequence);
        write_digits(answer, self.response.id_at, ID_DIGITS, self.next_id);

        let at = self.receipts.len();
        self.receipts.extend_from_slice(&self.receipt.pdu);
        let receipt = self.receipts.get_mut(at..).unwrap_or_default();
        write_sequence(receipt, self.next_sequence);
        write_digits(receipt, self.receipt.id_at, ID_DIGITS, self.next_id);
        let source = self.receipt.source_at..self.receipt.source_at + DEST_DIGITS;
        receipt.get_mut(source).expect("a source").copy_from_slice(number);
        self.next_id += 1;
        self.next_sequence = self.next_sequence.wrapping_add(1) & 0x7FFF_FFFF;
    }
}

fn receipt_form() -> Form {
    let pdu = receipt_pdu(0);
    let find = |what: &[u8]| pdu.windows(what.len()).position(|run| run == what);
    let id_at = find(b"id:0000000000").expect("an id") + 3;
    let source_at = find(FIRST_NUMBER.to_string().as_bytes()).expect("a source");
    Form { pdu, id_at, source_at }
}

fn write_sequence(pdu: &mut [u8], sequence: u32) {
    let place = pdu.get_mut(SEQUENCE_AT..SEQUENCE_AT + 4).expect("a header");
    place.copy_from_slice(&sequence.to_be_bytes());
}
