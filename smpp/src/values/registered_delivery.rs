//! registered_delivery (3.4 section 5.2.17, 5.0 section 4.7.21): which reports a sender asks for. Pure, lives
//! nowhere.

use super::Names;

const RECEIPT: u8 = 0x03;
const ACKNOWLEDGEMENT: u8 = 0x0C;
/// 3.4's heading says bit 5, its table and everybody's code bit 4.
const INTERMEDIATE: u8 = 0x10;

/// The octet registered_delivery.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct RegisteredDelivery(pub u8);

/// Which delivery receipts are asked for (bits 1 and 0).
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum ReceiptRequest {
    /// None.
    None = 0,
    /// When the outcome is final.
    Always = 1,
    /// When the outcome is a failure.
    OnFailure = 2,
    /// When the outcome is a success (5.0; reserved in 3.4).
    OnSuccess = 3,
}

/// Which acknowledgements of the recipient are asked for (bits 3 and 2).
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum SmeAcknowledgement {
    /// None.
    None = 0,
    /// That the equipment has it.
    Delivery = 1,
    /// That the user has seen it.
    User = 2,
    /// Both.
    Both = 3,
}

impl ReceiptRequest {
    /// Every request.
    pub const NAMES: Names =
        Names(&[(0, "none"), (1, "always"), (2, "on_failure"), (3, "on_success")]);
}

impl SmeAcknowledgement {
    /// Every request.
    pub const NAMES: Names = Names(&[(0, "none"), (1, "delivery"), (2, "user"), (3, "both")]);
}

impl RegisteredDelivery {
    /// Which receipts.
    pub const fn receipt(self) -> ReceiptRequest {
        match self.0 & RECEIPT {
            0 => ReceiptRequest::None,
            1 => ReceiptRequest::Always,
            2 => ReceiptRequest::OnFailure,
            _ => ReceiptRequest::OnSuccess,
        }
    }

    /// Which acknowledgements of the recipient.
    pub const fn acknowledgement(self) -> SmeAcknowledgement {
        match (self.0 & ACKNOWLEDGEMENT) >> 2 {
            0 => SmeAcknowledgement::None,
            1 => SmeAcknowledgement::Delivery,
            2 => SmeAcknowledgement::User,
            _ => SmeAcknowledgement::Both,
        }
    }

    /// True when attempts that are not final are to be reported too.
    pub const fn wants_intermediate(self) -> bool {
        self.0 & INTERMEDIATE != 0
    }

    /// True when a receipt is wanted for this outcome.
    pub const fn wants_receipt(self, delivered: bool) -> bool {
        match self.receipt() {
            ReceiptRequest::None => false,
            ReceiptRequest::Always => true,
            ReceiptRequest::OnFailure => !delivered,
            ReceiptRequest::OnSuccess => delivered,
        }
    }

    /// The same with another request for receipts.
    #[must_use]
    pub const fn with_receipt(self, receipt: ReceiptRequest) -> Self {
        let bits = match receipt {
            ReceiptRequest::None => 0,
            ReceiptRequest::Always => 1,
            ReceiptRequest::OnFailure => 2,
            ReceiptRequest::OnSuccess => 3,
        };
        Self(self.0 & !RECEIPT | bits)
    }

    /// The same with another request for acknowledgements.
    #[must_use]
    pub const fn with_acknowledgement(self, acknowledgement: SmeAcknowledgement) -> Self {
        let bits = match acknowledgement {
            SmeAcknowledgement::None => 0x0,
            SmeAcknowledgement::Delivery => 0x4,
            SmeAcknowledgement::User => 0x8,
            SmeAcknowledgement::Both => 0xC,
        };
        Self(self.0 & !ACKNOWLEDGEMENT | bits)
    }

    /// The same with or without intermediate notifications.
    #[must_use]
    pub const fn with_intermediate(self, wanted: bool) -> Self {
        Self(if wanted { self.0 | INTERMEDIATE } else { self.0 & !INTERMEDIATE })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_is_taken_apart_and_its_named_bits_put_together_again() {
        for octet in 0..=u8::MAX {
            let asked = RegisteredDelivery(octet);
            let built = RegisteredDelivery(!octet)
                .with_receipt(asked.receipt())
                .with_acknowledgement(asked.acknowledgement())
                .with_intermediate(asked.wants_intermediate());
            assert_eq!(built.0 & 0x1F, octet & 0x1F);
            assert_eq!(built.0 & 0xE0, !octet & 0xE0, "reserved bits are left alone");
        }
    }

    #[test]
    fn receipts_are_wanted_by_outcome() {
        let wanted = |octet| {
            let asked = RegisteredDelivery(octet);
            (asked.wants_receipt(true), asked.wants_receipt(false))
        };
        assert_eq!(wanted(0x1C), (false, false));
        assert_eq!(wanted(0x01), (true, true));
        assert_eq!(wanted(0x12), (false, true));
        assert_eq!(wanted(0x03), (true, false));
        assert!(RegisteredDelivery(0x10).wants_intermediate());
        assert!(!RegisteredDelivery(0x20).wants_intermediate());
    }
}
