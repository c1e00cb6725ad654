//! esm_class (3.4 section 5.2.12, 5.0 section 4.7.12): three fields in one octet, each behind its own mask.
//! Pure, lives nowhere.

use super::Names;

const MODE: u8 = 0x03;
const TYPE: u8 = 0x3C;
const UDHI: u8 = 0x40;
const REPLY_PATH: u8 = 0x80;

/// The octet esm_class.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct EsmClass(pub u8);

/// How a submitted message is handled (bits 1 and 0); without meaning in what a carrier delivers.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum MessageMode {
    /// The message centre's default, as a rule store and forward.
    Default = 0,
    /// One attempt, nothing is stored.
    Datagram = 1,
    /// The outcome of the delivery comes with the answer.
    Forward = 2,
    /// Stored, then delivered.
    StoreAndForward = 3,
}

/// What a message is (bits 5 to 2), in wire position.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct MessageType(u8);

impl MessageType {
    /// A message.
    pub const DEFAULT: Self = Self(0x00);
    /// A delivery receipt of a message centre.
    pub const RECEIPT: Self = Self(0x04);
    /// The recipient's equipment acknowledges the delivery.
    pub const DELIVERY_ACKNOWLEDGEMENT: Self = Self(0x08);
    /// The recipient acknowledges.
    pub const USER_ACKNOWLEDGEMENT: Self = Self(0x10);
    /// End of an interactive session (Korean CDMA).
    pub const CONVERSATION_ABORT: Self = Self(0x18);
    /// A message centre reports an attempt that was not final.
    pub const INTERMEDIATE_NOTIFICATION: Self = Self(0x20);

    /// Every named type.
    pub const NAMES: Names = Names(&[
        (0x00, "default"),
        (0x04, "mc_delivery_receipt"),
        (0x08, "delivery_acknowledgement"),
        (0x10, "user_acknowledgement"),
        (0x18, "conversation_abort"),
        (0x20, "intermediate_notification"),
    ]);

    /// The bits, in their place in esm_class.
    pub const fn bits(self) -> u8 {
        self.0
    }
}

impl MessageMode {
    /// Every mode.
    pub const NAMES: Names =
        Names(&[(0, "default"), (1, "datagram"), (2, "forward"), (3, "store_and_forward")]);
}

impl EsmClass {
    /// The mode.
    pub const fn mode(self) -> MessageMode {
        match self.0 & MODE {
            0 => MessageMode::Default,
            1 => MessageMode::Datagram,
            2 => MessageMode::Forward,
            _ => MessageMode::StoreAndForward,
        }
    }

    /// The type; any of the sixteen values may come.
    pub const fn message_type(self) -> MessageType {
        MessageType(self.0 & TYPE)
    }

    /// True when the text begins with a user data header.
    pub const fn has_udh(self) -> bool {
        self.0 & UDHI != 0
    }

    /// True when the reply shall take the same way back.
    pub const fn has_reply_path(self) -> bool {
        self.0 & REPLY_PATH != 0
    }

    /// True for delivery receipts and intermediate notifications.
    pub const fn is_receipt(self) -> bool {
        let bits = self.message_type().0;
        bits == MessageType::RECEIPT.0 || bits == MessageType::INTERMEDIATE_NOTIFICATION.0
    }

    /// The same with another mode.
    #[must_use]
    pub const fn with_mode(self, mode: MessageMode) -> Self {
        let bits = match mode {
            MessageMode::Default => 0,
            MessageMode::Datagram => 1,
            MessageMode::Forward => 2,
            MessageMode::StoreAndForward => 3,
        };
        Self(self.0 & !MODE | bits)
    }

    /// The same with another type.
    #[must_use]
    pub const fn with_type(self, message_type: MessageType) -> Self {
        Self(self.0 & !TYPE | message_type.0)
    }

    /// The same with or without the user data header's bit.
    #[must_use]
    pub const fn with_udh(self, udh: bool) -> Self {
        Self(if udh { self.0 | UDHI } else { self.0 & !UDHI })
    }

    /// The same with or without a reply path.
    #[must_use]
    pub const fn with_reply_path(self, reply_path: bool) -> Self {
        Self(if reply_path { self.0 | REPLY_PATH } else { self.0 & !REPLY_PATH })
    }
}

impl From<u8> for MessageType {
    /// Takes the bits in their place in esm_class; others are dropped.
    fn from(bits: u8) -> Self {
        Self(bits & TYPE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_is_taken_apart_and_put_together_again() {
        for octet in 0..=u8::MAX {
            let class = EsmClass(octet);
            let built = EsmClass::default()
                .with_mode(class.mode())
                .with_type(class.message_type())
                .with_udh(class.has_udh())
                .with_reply_path(class.has_reply_path());
            assert_eq!(built, class);
            let other = EsmClass(!octet);
            let replaced = other
                .with_mode(class.mode())
                .with_type(class.message_type())
                .with_udh(class.has_udh())
                .with_reply_path(class.has_reply_path());
            assert_eq!(replaced, class, "each setter replaces its own bits alone");
        }
    }

    #[test]
    fn receipts_are_known_by_a_mask_never_by_equality() {
        // 0x44 and 0x48 occur in the wild; a mask of 0x1C would lose 0x20.
        for (octet, receipt) in [
            (0x04, true),
            (0x07, true),
            (0x20, true),
            (0x44, true),
            (0xC4, true),
            (0x00, false),
            (0x08, false),
            (0x10, false),
            (0x18, false),
            (0x24, false),
            (0x40, false),
            (0x48, false),
        ] {
            assert_eq!(EsmClass(octet).is_receipt(), receipt, "{octet:#04x}");
        }
        assert_eq!(EsmClass(0x48).message_type(), MessageType::DELIVERY_ACKNOWLEDGEMENT);
        assert_eq!(EsmClass(0x83).mode(), MessageMode::StoreAndForward);
    }
}
