//! Delivery receipts as this carrier sends them: pure, one per part taken.

use std::rc::Rc;
use std::time::Duration;

use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::ShortMessage;
use postrider_smpp::receipt::{OwnReceipt, ReceiptState};
use postrider_smpp::tlv::{Tlv, Tlvs, tag};

use super::carrier::PartId;
use super::dialect::{Dialect, ReceiptForm, ReceiptPdu};

/// A receipt on its way.
#[derive(Debug)]
pub(super) struct Receipt {
    /// When it is to be sent, monotonic.
    pub(super) due: Duration,
    /// The connection that submitted the part.
    pub(super) home: u64,
    /// Who may get it.
    pub(super) system_id: Rc<str>,
    /// The part's id.
    pub(super) id: PartId,
    /// The report says UNDELIV instead of DELIVRD.
    pub(super) failed: bool,
    /// When the part was taken, Unix seconds.
    pub(super) taken_s: u64,
    /// The part's addresses.
    pub(super) addresses: Addresses,
    /// The first characters of the text.
    pub(super) excerpt: Box<[u8]>,
    /// user_message_reference of the submit.
    pub(super) user_message_reference: Option<[u8; 2]>,
}

/// The two addresses of a part.
#[derive(Debug)]
pub(super) struct Addresses {
    source: (u8, u8, Box<[u8]>),
    dest: (u8, u8, Box<[u8]>),
}

impl Addresses {
    /// The addresses of a submit.
    pub(super) fn of(message: &ShortMessage<'_>) -> Self {
        Self {
            source: (message.source_ton, message.source_npi, message.source.into()),
            dest: (message.dest_ton, message.dest_npi, message.dest.into()),
        }
    }
}

impl Receipt {
    /// Lends the receipt as the carrier sends it to `send`, from the handset to the sender.
    pub(super) fn with_message<R>(
        &self,
        dialect: &Dialect,
        now_s: u64,
        send: impl FnOnce(CommandId, &ShortMessage<'_>) -> R,
    ) -> R {
        let (state, error) = match self.failed {
            true => (ReceiptState::Undeliverable, 1),
            false => (ReceiptState::Delivered, 0),
        };
        let id = dialect.receipt_id(self.id);
        let own = OwnReceipt {
            id: id.as_bytes(),
            state,
            submitted: self.taken_s,
            done: now_s,
            err: if self.failed { b"001" } else { b"000" },
            text: &self.excerpt,
            network_error_code: Some([3, 0, error]),
        };
        let (mut text, mut area) = (Vec::new(), Vec::new());
        if dialect.receipt_form != ReceiptForm::Tlv {
            own.write_text(&mut text);
        }
        if dialect.receipt_form != ReceiptForm::Text {
            own.write_tlvs(&mut area);
            self.write_reference(&mut area);
        }
        let command = match dialect.receipt_pdu {
            ReceiptPdu::DeliverSm => CommandId::DELIVER_SM,
            ReceiptPdu::DataSm => {
                let fits = Tlv { tag: tag::MESSAGE_PAYLOAD, value: &text }.write(&mut area);
                debug_assert!(fits, "a text of a few dozen octets");
                text.clear();
                CommandId::DATA_SM
            }
        };
        let Addresses { source, dest } = &self.addresses;
        let message = ShortMessage {
            source_ton: dest.0,
            source_npi: dest.1,
            source: &dest.2,
            dest_ton: source.0,
            dest_npi: source.1,
            dest: &source.2,
            esm_class: dialect.receipt_esm_class,
            short_message: &text,
            tlvs: Tlvs::new(&area),
            ..ShortMessage::default()
        };
        send(command, &message)
    }

    fn write_reference(&self, area: &mut Vec<u8>) {
        let Some(reference) = &self.user_message_reference else { return };
        let fits = Tlv { tag: tag::USER_MESSAGE_REFERENCE, value: reference }.write(area);
        debug_assert!(fits, "two octets");
    }
}
