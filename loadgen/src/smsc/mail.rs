//! What a carrier sends to the gateway: receipts and messages from handsets, on their way to a bind
//! and until they are acknowledged. Plain data, one per PDU.

use std::time::Duration;

use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::ShortMessage;

use super::dialect::Dialect;
use super::inbound::InboundPart;
use super::receipt::Receipt;

/// One PDU for the gateway.
#[derive(Debug)]
pub(super) enum Mail {
    /// A receipt.
    Receipt(Receipt),
    /// A part of a message from a handset.
    Inbound(InboundPart),
}

impl Mail {
    /// When it is to be sent, monotonic.
    pub(super) fn due(&self) -> Duration {
        match self {
            Mail::Receipt(receipt) => receipt.due,
            Mail::Inbound(part) => part.due,
        }
    }

    /// The same, to be sent then.
    pub(super) fn later(self, due: Duration) -> Self {
        match self {
            Mail::Receipt(receipt) => Mail::Receipt(Receipt { due, ..receipt }),
            Mail::Inbound(part) => Mail::Inbound(InboundPart { due, ..part }),
        }
    }

    /// The connection it would best go to, and the only system_id that may have it.
    pub(super) fn addressee(&self) -> Option<(u64, &str)> {
        match self {
            Mail::Receipt(receipt) => Some((receipt.home, &receipt.system_id)),
            Mail::Inbound(_) => None,
        }
    }

    /// Lends it as the carrier sends it to `send`.
    pub(super) fn with_message<R>(
        &self,
        dialect: &Dialect,
        now_s: u64,
        send: impl FnOnce(CommandId, &ShortMessage<'_>) -> R,
    ) -> R {
        match self {
            Mail::Receipt(receipt) => receipt.with_message(dialect, now_s, send),
            Mail::Inbound(part) => part.with_message(send),
        }
    }
}
