//! What the specifications say about every tag, one row each (3.4 section 5.3.2 and the PDUs of section 4; 5.0
//! section 4.8.4 and 4.2 to 4.6). Pure data, lives nowhere.

use core::ops::RangeInclusive;

use super::names;
use crate::command::CommandId;
use crate::pdu::VERSION_5_0;
use crate::values::{MessageState, Names};

/// How a value is laid out.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum TlvKind {
    /// Big-endian unsigned integer.
    Int,
    /// Big-endian unsigned integer whose values have names.
    Named(Names),
    /// A `command_status`.
    Status,
    /// A [`Congestion`](crate::values::Congestion).
    Congestion,
    /// C-octet string, NUL included in the length.
    CString,
    /// C-octet string that holds a time; 5.0 gives its length without the NUL.
    Time,
    /// Octet string.
    Octets,
    /// Octet string of decimal digits.
    Digits,
    /// Several values in one.
    Structured(Structure),
}

/// A value that holds several; each is the [`TlvValue`](super::TlvValue) of the same name.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Structure {
    /// ms_msg_wait_facilities.
    MessageWaiting,
    /// callback_num_pres_ind.
    CallbackPresentation,
    /// callback_num_atag.
    CallbackTag,
    /// callback_num.
    CallbackNum,
    /// source_subaddress and dest_subaddress.
    Subaddress,
    /// network_error_code.
    NetworkError,
    /// broadcast_content_type.
    ContentType,
    /// broadcast_frequency_interval.
    Frequency,
    /// broadcast_area_identifier.
    Area,
    /// billing_identification.
    Billing,
    /// ms_validity.
    MsValidity,
    /// alert_on_message_delivery.
    Alert,
    /// its_session_info.
    ItsSession,
}

/// What the specifications say about one tag.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlvSpec {
    /// The tag.
    pub tag: u16,
    /// The specification's name.
    pub name: &'static str,
    /// How the value is laid out.
    pub kind: TlvKind,
    /// First interface version that has it: 0x34 or 0x50.
    pub since: u8,
    /// Whether a PDU may have several.
    pub repeats: bool,
    lengths_3_4: RangeInclusive<u16>,
    lengths_5_0: RangeInclusive<u16>,
    pdus_3_4: Pdus,
    pdus_5_0: Pdus,
    mandatory: Pdus,
}

impl TlvSpec {
    /// Octets that the value may have in a session of interface `version`.
    pub const fn lengths(&self, version: u8) -> &RangeInclusive<u16> {
        if version >= VERSION_5_0 { &self.lengths_5_0 } else { &self.lengths_3_4 }
    }

    /// Whether `command` may have the parameter in a session of interface `version`.
    pub const fn belongs(&self, command: CommandId, version: u8) -> bool {
        let pdus = if version >= VERSION_5_0 { self.pdus_5_0 } else { self.pdus_3_4 };
        pdus & bit(command) != 0
    }

    /// Whether `command` must have the parameter; only commands of 5.0 have such.
    pub const fn is_mandatory(&self, command: CommandId) -> bool {
        self.mandatory & bit(command) != 0
    }
}

/// A set of commands, a bit for each that some parameter belongs to.
type Pdus = u32;

const S: Pdus = 1 << 0;
const M: Pdus = 1 << 1;
const D: Pdus = 1 << 2;
const T: Pdus = 1 << 3;
const SR: Pdus = 1 << 4;
const MR: Pdus = 1 << 5;
const DR: Pdus = 1 << 6;
const TR: Pdus = 1 << 7;
const BR: Pdus = 1 << 8;
const A: Pdus = 1 << 9;
const R: Pdus = 1 << 10;
const BC: Pdus = 1 << 11;
const BCR: Pdus = 1 << 12;
const QBC: Pdus = 1 << 13;
const QBCR: Pdus = 1 << 14;
const CBC: Pdus = 1 << 15;
/// Every other response.
const OTHER_RESP: Pdus = 1 << 16;
/// What an ESME submits.
const SUB: Pdus = S | M | T;
const SUBR: Pdus = SR | MR | TR;
/// What a message centre delivers.
const DEL: Pdus = D | T;
const DELR: Pdus = DR | TR;
const ANY_RESP: Pdus = SUBR | DELR | BR | BCR | QBCR | OTHER_RESP;

const fn bit(command: CommandId) -> Pdus {
    use CommandId as C;
    match command {
        C::SUBMIT_SM => S,
        C::SUBMIT_MULTI => M,
        C::DELIVER_SM => D,
        C::DATA_SM => T,
        C::SUBMIT_SM_RESP => SR,
        C::SUBMIT_MULTI_RESP => MR,
        C::DELIVER_SM_RESP => DR,
        C::DATA_SM_RESP => TR,
        C::BIND_RECEIVER_RESP | C::BIND_TRANSMITTER_RESP | C::BIND_TRANSCEIVER_RESP => BR,
        C::ALERT_NOTIFICATION => A,
        C::REPLACE_SM => R,
        C::BROADCAST_SM => BC,
        C::BROADCAST_SM_RESP => BCR,
        C::QUERY_BROADCAST_SM => QBC,
        C::QUERY_BROADCAST_SM_RESP => QBCR,
        C::CANCEL_BROADCAST_SM => CBC,
        _ if command.is_response() => OTHER_RESP,
        _ => 0,
    }
}

/// The first of one or two expressions.
macro_rules! first {
    ($first:expr) => {
        $first
    };
    ($first:expr, $second:expr) => {
        $first
    };
}

/// A row: tag, name, kind, lengths, first version, PDUs in 3.4, PDUs in 5.0; then where it is mandatory,
/// whether it repeats, and its lengths in 3.4 where they differ.
macro_rules! tlvs {
    ($(
        $konst:ident = $tag:literal, $name:literal, $kind:expr, $lengths:expr, $since:literal,
        $pdus_3_4:expr, $pdus_5_0:expr
        $(, must $must:expr)? $(, repeats $repeats:literal)? $(, old $old:expr)?;
    )*) => {
        /// The tags as constants.
        pub mod tag {
            $(
                #[doc = concat!("`", $name, "`.")]
                pub const $konst: u16 = $tag;
            )*
        }

        /// The tags of the table's rows.
        const TAGS: &[u16] = &[$($tag),*];

        /// Every tag of the specifications, ascending.
        pub static TLV_TABLE: &[TlvSpec] = {
            use Structure::{
                Alert, Area, Billing, CallbackNum, CallbackPresentation, CallbackTag, ContentType,
                Frequency, ItsSession, MessageWaiting, MsValidity, NetworkError, Subaddress,
            };
            use TlvKind::{
                CString, Congestion, Digits, Int, Named, Octets, Status, Structured, Time,
            };
            &[$(TlvSpec {
                tag: $tag,
                name: $name,
                kind: $kind,
                since: $since,
                repeats: first!($($repeats,)? false),
                lengths_3_4: first!($($old,)? $lengths),
                lengths_5_0: $lengths,
                pdus_3_4: $pdus_3_4,
                pdus_5_0: $pdus_5_0,
                mandatory: first!($($must,)? 0),
            },)*]
        };
    };
}

tlvs! {
    DEST_ADDR_SUBUNIT = 0x0005, "dest_addr_subunit", Named(names::SUBUNIT),
        1..=1, 0x34, S | M | T, SUB | DEL | BC;
    DEST_NETWORK_TYPE = 0x0006, "dest_network_type", Named(names::NETWORK), 1..=1, 0x34, T, SUB;
    DEST_BEARER_TYPE = 0x0007, "dest_bearer_type", Named(names::BEARER), 1..=1, 0x34, T, SUB;
    DEST_TELEMATICS_ID = 0x0008, "dest_telematics_id", Int, 2..=2, 0x34, T, SUB;
    SOURCE_ADDR_SUBUNIT = 0x000D, "source_addr_subunit", Named(names::SUBUNIT),
        1..=1, 0x34, S | M | T, SUB | DEL | BC;
    SOURCE_NETWORK_TYPE = 0x000E, "source_network_type", Named(names::NETWORK), 1..=1, 0x34, T, SUB;
    SOURCE_BEARER_TYPE = 0x000F, "source_bearer_type", Named(names::BEARER), 1..=1, 0x34, T, SUB;
    SOURCE_TELEMATICS_ID = 0x0010, "source_telematics_id", Int, 1..=1, 0x34, T, SUB;
    QOS_TIME_TO_LIVE = 0x0017, "qos_time_to_live", Int, 4..=4, 0x34, T, SUB;
    PAYLOAD_TYPE = 0x0019, "payload_type", Named(names::PAYLOAD),
        1..=1, 0x34, S | M | D | T, SUB | DEL | BC;
    ADDITIONAL_STATUS_INFO_TEXT = 0x001D, "additional_status_info_text", CString,
        1..=256, 0x34, TR, SUBR | DELR;
    RECEIPTED_MESSAGE_ID = 0x001E, "receipted_message_id", CString, 1..=65, 0x34, D | T, DEL;
    MS_MSG_WAIT_FACILITIES = 0x0030, "ms_msg_wait_facilities", Structured(MessageWaiting),
        1..=1, 0x34, S | M | T, SUB;
    PRIVACY_INDICATOR = 0x0201, "privacy_indicator", Named(names::PRIVACY),
        1..=1, 0x34, S | M | D | T, SUB | DEL | BC;
    SOURCE_SUBADDRESS = 0x0202, "source_subaddress", Structured(Subaddress),
        2..=23, 0x34, S | M | D | T, SUB | DEL | BC;
    DEST_SUBADDRESS = 0x0203, "dest_subaddress", Structured(Subaddress),
        2..=23, 0x34, S | M | D | T, SUB | DEL | BC;
    USER_MESSAGE_REFERENCE = 0x0204, "user_message_reference", Int,
        2..=2, 0x34, S | M | D | T, SUB | DEL | BC | QBC | QBCR | CBC;
    USER_RESPONSE_CODE = 0x0205, "user_response_code", Int, 1..=1, 0x34, S | D | T, SUB | DEL;
    SOURCE_PORT = 0x020A, "source_port", Int, 2..=2, 0x34, S | M | D | T, SUB | DEL | BC;
    DEST_PORT = 0x020B, "dest_port", Int, 2..=2, 0x34, S | M | D | T, SUB | DEL | BC;
    SAR_MSG_REF_NUM = 0x020C, "sar_msg_ref_num", Int, 2..=2, 0x34, S | M | D | T, SUB | DEL;
    LANGUAGE_INDICATOR = 0x020D, "language_indicator", Named(names::LANGUAGE),
        1..=1, 0x34, S | M | D | T, SUB | DEL | BC;
    SAR_TOTAL_SEGMENTS = 0x020E, "sar_total_segments", Int, 1..=1, 0x34, S | M | D | T, SUB | DEL;
    SAR_SEGMENT_SEQNUM = 0x020F, "sar_segment_seqnum", Int, 1..=1, 0x34, S | M | D | T, SUB | DEL;
    SC_INTERFACE_VERSION = 0x0210, "sc_interface_version", Named(names::VERSION),
        1..=1, 0x34, BR, BR;
    CALLBACK_NUM_PRES_IND = 0x0302, "callback_num_pres_ind", Structured(CallbackPresentation),
        1..=1, 0x34, S | M | T, SUB | DEL | BC, repeats true;
    CALLBACK_NUM_ATAG = 0x0303, "callback_num_atag", Structured(CallbackTag),
        1..=65, 0x34, S | M | T, SUB | DEL | BC, repeats true;
    NUMBER_OF_MESSAGES = 0x0304, "number_of_messages", Int, 1..=1, 0x34, S | T, SUB;
    CALLBACK_NUM = 0x0381, "callback_num", Structured(CallbackNum),
        4..=19, 0x34, S | M | D | T, SUB | DEL | BC, repeats true;
    DPF_RESULT = 0x0420, "dpf_result", Named(names::DPF_RESULT), 1..=1, 0x34, TR, SUBR | DEL;
    SET_DPF = 0x0421, "set_dpf", Named(names::SET_DPF), 1..=1, 0x34, T, SUB;
    MS_AVAILABILITY_STATUS = 0x0422, "ms_availability_status", Named(names::AVAILABILITY),
        1..=1, 0x34, A, A;
    NETWORK_ERROR_CODE = 0x0423, "network_error_code", Structured(NetworkError),
        3..=3, 0x34, D | T | TR, SUBR | DEL | DELR;
    MESSAGE_PAYLOAD = 0x0424, "message_payload", Octets,
        0..=65535, 0x34, S | M | D | T, SUB | DEL | BC | R;
    DELIVERY_FAILURE_REASON = 0x0425, "delivery_failure_reason", Named(names::FAILURE),
        1..=1, 0x34, TR, SUBR | DELR;
    MORE_MESSAGES_TO_SEND = 0x0426, "more_messages_to_send", Named(names::MORE),
        1..=1, 0x34, S | T, SUB;
    MESSAGE_STATE = 0x0427, "message_state", Named(MessageState::NAMES),
        1..=1, 0x34, D | T, DEL | QBCR, must QBCR;
    CONGESTION_STATE = 0x0428, "congestion_state", Congestion, 1..=1, 0x50, 0, ANY_RESP;
    USSD_SERVICE_OP = 0x0501, "ussd_service_op", Named(names::USSD), 1..=1, 0x34, S, SUB | DEL;
    BROADCAST_CHANNEL_INDICATOR = 0x0600, "broadcast_channel_indicator", Named(names::CHANNEL),
        1..=1, 0x50, 0, BC;
    BROADCAST_CONTENT_TYPE = 0x0601, "broadcast_content_type", Structured(ContentType),
        3..=3, 0x50, 0, BC | CBC, must BC;
    BROADCAST_CONTENT_TYPE_INFO = 0x0602, "broadcast_content_type_info", Octets,
        1..=255, 0x50, 0, BC;
    BROADCAST_MESSAGE_CLASS = 0x0603, "broadcast_message_class", Named(names::MESSAGE_CLASS),
        1..=1, 0x50, 0, BC;
    BROADCAST_REP_NUM = 0x0604, "broadcast_rep_num", Int, 2..=2, 0x50, 0, BC, must BC;
    BROADCAST_FREQUENCY_INTERVAL = 0x0605, "broadcast_frequency_interval", Structured(Frequency),
        3..=3, 0x50, 0, BC, must BC;
    BROADCAST_AREA_IDENTIFIER = 0x0606, "broadcast_area_identifier", Structured(Area),
        1..=101, 0x50, 0, BC | BCR | QBCR, must BC | QBCR, repeats true;
    BROADCAST_ERROR_STATUS = 0x0607, "broadcast_error_status", Status,
        4..=4, 0x50, 0, BCR, repeats true;
    BROADCAST_AREA_SUCCESS = 0x0608, "broadcast_area_success", Int,
        1..=1, 0x50, 0, QBCR, must QBCR, repeats true;
    BROADCAST_END_TIME = 0x0609, "broadcast_end_time", Time, 16..=17, 0x50, 0, QBCR;
    BROADCAST_SERVICE_GROUP = 0x060A, "broadcast_service_group", Octets, 1..=255, 0x50, 0, BC;
    BILLING_IDENTIFICATION = 0x060B, "billing_identification", Structured(Billing),
        1..=1024, 0x50, 0, SUB;
    SOURCE_NETWORK_ID = 0x060D, "source_network_id", CString, 7..=65, 0x50, 0, SUB | DEL;
    DEST_NETWORK_ID = 0x060E, "dest_network_id", CString, 7..=65, 0x50, 0, SUB | DEL;
    SOURCE_NODE_ID = 0x060F, "source_node_id", Digits, 6..=6, 0x50, 0, SUB | DEL;
    DEST_NODE_ID = 0x0610, "dest_node_id", Digits, 6..=6, 0x50, 0, SUB | DEL;
    DEST_ADDR_NP_RESOLUTION = 0x0611, "dest_addr_np_resolution", Named(names::PORTED),
        1..=1, 0x50, 0, SUB | DEL;
    DEST_ADDR_NP_INFORMATION = 0x0612, "dest_addr_np_information", Digits,
        10..=10, 0x50, 0, SUB | DEL;
    DEST_ADDR_NP_COUNTRY = 0x0613, "dest_addr_np_country", Octets, 1..=5, 0x50, 0, SUB | DEL;
    DISPLAY_TIME = 0x1201, "display_time", Named(names::DISPLAY), 1..=1, 0x34, S | M | T, SUB | BC;
    SMS_SIGNAL = 0x1203, "sms_signal", Int, 2..=2, 0x34, S | M | T, SUB | BC;
    MS_VALIDITY = 0x1204, "ms_validity", Structured(MsValidity),
        1..=4, 0x34, S | M | T, SUB | BC, old 1..=1;
    ALERT_ON_MESSAGE_DELIVERY = 0x130C, "alert_on_message_delivery", Structured(Alert),
        0..=1, 0x34, S | M | T, SUB | BC, old 0..=0;
    ITS_REPLY_TYPE = 0x1380, "its_reply_type", Named(names::REPLY), 1..=1, 0x34, S | T, SUB | DEL;
    ITS_SESSION_INFO = 0x1383, "its_session_info", Structured(ItsSession),
        2..=2, 0x34, S | D | T, SUB | DEL;
}

/// The table's row for `tag`.
pub fn tag_spec(tag: u16) -> Option<&'static TlvSpec> {
    TLV_TABLE.get(row(tag)?)
}

/// Where the table has `tag`.
pub(super) fn row(tag: u16) -> Option<usize> {
    TAGS.binary_search(&tag).ok()
}

/// A set of rows of the table. It has fewer rows than the set has bits; a test holds it to that.
#[derive(Copy, Clone, Default)]
pub(super) struct Rows(u64);

impl Rows {
    /// The rows of tags that the table has.
    pub(super) const fn of(mut wanted: &[u16]) -> Self {
        let mut rows = 0;
        while let [tag, others @ ..] = wanted {
            let (mut tags, mut bit) = (TAGS, 1);
            while let [first, rest @ ..] = tags {
                if *first == *tag {
                    rows |= bit;
                }
                (tags, bit) = (rest, bit << 1);
            }
            wanted = others;
        }
        Self(rows)
    }

    /// Adds a row; false when it is there already.
    pub(super) const fn insert(&mut self, at: usize) -> bool {
        let bit = 1 << at;
        let new = self.0 & bit == 0;
        self.0 |= bit;
        new
    }

    /// Whether both have a row in common.
    pub(super) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether it has this row.
    pub(super) const fn has(self, at: usize) -> bool {
        self.0 & 1 << at != 0
    }
}

/// The specification's name of `tag`; `None` for vendor and unknown tags.
pub fn tag_name(tag: u16) -> Option<&'static str> {
    tag_spec(tag).map(|spec| spec.name)
}

/// The tag that the specification calls `name`.
pub fn tag_by_name(name: &str) -> Option<u16> {
    TLV_TABLE.iter().find(|spec| spec.name == name).map(|spec| spec.tag)
}
