//! Command identifiers of SMPP 3.4 and 5.0 (3.4 section 5.1.2.1). Pure data, lives nowhere.

/// Bit that marks a response.
const RESPONSE_BIT: u32 = 0x8000_0000;

/// A command identifier as it stands on the wire; any value is representable.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct CommandId(pub u32);

macro_rules! commands {
    ($($konst:ident = $value:literal, $name:literal;)*) => {
        impl CommandId {
            $(
                #[doc = concat!("`", $name, "`, ", stringify!($value), ".")]
                pub const $konst: CommandId = CommandId($value);
            )*

            /// Every command of the specifications, requests first.
            pub const ALL: &'static [CommandId] = &[$(CommandId::$konst),*];

            /// The specification's name, or `None` for an unknown command.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($name),)*
                    _ => None,
                }
            }
        }
    };
}

commands! {
    BIND_RECEIVER = 0x00000001, "bind_receiver";
    BIND_TRANSMITTER = 0x00000002, "bind_transmitter";
    QUERY_SM = 0x00000003, "query_sm";
    SUBMIT_SM = 0x00000004, "submit_sm";
    DELIVER_SM = 0x00000005, "deliver_sm";
    UNBIND = 0x00000006, "unbind";
    REPLACE_SM = 0x00000007, "replace_sm";
    CANCEL_SM = 0x00000008, "cancel_sm";
    BIND_TRANSCEIVER = 0x00000009, "bind_transceiver";
    OUTBIND = 0x0000000B, "outbind";
    ENQUIRE_LINK = 0x00000015, "enquire_link";
    SUBMIT_MULTI = 0x00000021, "submit_multi";
    ALERT_NOTIFICATION = 0x00000102, "alert_notification";
    DATA_SM = 0x00000103, "data_sm";
    BROADCAST_SM = 0x00000111, "broadcast_sm";
    QUERY_BROADCAST_SM = 0x00000112, "query_broadcast_sm";
    CANCEL_BROADCAST_SM = 0x00000113, "cancel_broadcast_sm";
    GENERIC_NACK = 0x80000000, "generic_nack";
    BIND_RECEIVER_RESP = 0x80000001, "bind_receiver_resp";
    BIND_TRANSMITTER_RESP = 0x80000002, "bind_transmitter_resp";
    QUERY_SM_RESP = 0x80000003, "query_sm_resp";
    SUBMIT_SM_RESP = 0x80000004, "submit_sm_resp";
    DELIVER_SM_RESP = 0x80000005, "deliver_sm_resp";
    UNBIND_RESP = 0x80000006, "unbind_resp";
    REPLACE_SM_RESP = 0x80000007, "replace_sm_resp";
    CANCEL_SM_RESP = 0x80000008, "cancel_sm_resp";
    BIND_TRANSCEIVER_RESP = 0x80000009, "bind_transceiver_resp";
    ENQUIRE_LINK_RESP = 0x80000015, "enquire_link_resp";
    SUBMIT_MULTI_RESP = 0x80000021, "submit_multi_resp";
    DATA_SM_RESP = 0x80000103, "data_sm_resp";
    BROADCAST_SM_RESP = 0x80000111, "broadcast_sm_resp";
    QUERY_BROADCAST_SM_RESP = 0x80000112, "query_broadcast_sm_resp";
    CANCEL_BROADCAST_SM_RESP = 0x80000113, "cancel_broadcast_sm_resp";
}

impl CommandId {
    /// True for every value with bit 31 set, known or not, `generic_nack` included.
    pub const fn is_response(self) -> bool {
        self.0 & RESPONSE_BIT != 0
    }

    /// The command of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|command| command.name() == Some(name)).copied()
    }

    /// The response that belongs to this request (bit 31 set).
    pub const fn response(self) -> CommandId {
        CommandId(self.0 | RESPONSE_BIT)
    }

    /// The request that this response answers (bit 31 cleared).
    pub const fn request(self) -> CommandId {
        CommandId(self.0 & !RESPONSE_BIT)
    }

    /// True for cell broadcast, which came with SMPP 5.0.
    pub const fn needs_5_0(self) -> bool {
        matches!(
            self.request(),
            Self::BROADCAST_SM | Self::QUERY_BROADCAST_SM | Self::CANCEL_BROADCAST_SM
        )
    }

    /// False for the commands that are never answered: responses, `outbind`, `alert_notification`.
    pub const fn is_answered(self) -> bool {
        !self.is_response() && self.0 != Self::OUTBIND.0 && self.0 != Self::ALERT_NOTIFICATION.0
    }
}
