//! Tagged optional parameters (3.4 section 5.3, 5.0 section 4.8): a tolerant reader over the raw area, a
//! writer, and the table of all known tags. Pure, lives nowhere.

/// Octets before a value: tag and length, two each.
const TLV_HEADER_LEN: usize = 4;

/// One parameter: its tag and its raw value.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Tlv<'a> {
    /// The tag.
    pub tag: u16,
    /// The value, at most 65,535 octets.
    pub value: &'a [u8],
}

impl Tlv<'_> {
    /// Appends the parameter in wire form. Returns false, and writes nothing, when the value is longer
    /// than 65,535 octets.
    pub fn write(&self, out: &mut Vec<u8>) -> bool {
        let Ok(length) = u16::try_from(self.value.len()) else { return false };
        out.extend_from_slice(&self.tag.to_be_bytes());
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(self.value);
        true
    }
}

/// The raw parameter area of a PDU, and an iterator over it in wire order.
///
/// Up to three stray octets at the end are ignored, and so is everything from a parameter that overruns
/// the area; [`Tlvs::is_well_formed`] tells. Copy it to iterate more than once.
#[derive(Copy, Clone, PartialEq, Eq, Default)]
pub struct Tlvs<'a> {
    area: &'a [u8],
}

impl<'a> Tlvs<'a> {
    /// Wraps a raw area.
    pub const fn new(area: &'a [u8]) -> Self {
        Self { area }
    }

    /// The octets that are still to be read.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.area
    }

    /// The value of the first parameter with `tag` (repeats are ignored).
    pub fn get(&self, tag: u16) -> Option<&'a [u8]> {
        let mut rest = *self;
        rest.find(|tlv| tlv.tag == tag).map(|tlv| tlv.value)
    }

    /// The value of the first parameter with `tag` as a C-octet string: without its NUL, which the wild
    /// often omits, and `None` when nothing is left.
    pub fn get_cstring(&self, tag: u16) -> Option<&'a [u8]> {
        let value = self.get(tag)?;
        let text = value.split(|octet| *octet == 0).next().unwrap_or(value);
        (!text.is_empty()).then_some(text)
    }

    /// The value of the first parameter with `tag` as an unsigned integer, whatever its length up to four
    /// octets.
    pub fn get_int(&self, tag: u16) -> Option<u32> {
        read_int(self.get(tag)?).and_then(|value| u32::try_from(value).ok())
    }

    /// A message_payload that is not empty; it takes the place of `short_message` (5.0 section 4.8.4.36).
    pub fn payload(&self) -> Option<&'a [u8]> {
        self.get(tag::MESSAGE_PAYLOAD).filter(|payload| !payload.is_empty())
    }

    /// True when the area is a run of whole parameters, with at most three stray octets behind.
    pub fn is_well_formed(&self) -> bool {
        self.trailing().len() < TLV_HEADER_LEN
    }

    /// True when the area is a run of whole parameters and nothing else.
    pub fn is_exact(&self) -> bool {
        self.trailing().is_empty()
    }

    /// What is left behind the last whole parameter.
    fn trailing(&self) -> &'a [u8] {
        let mut rest = *self;
        while rest.next().is_some() {}
        rest.area
    }
}

impl<'a> Iterator for Tlvs<'a> {
    type Item = Tlv<'a>;

    fn next(&mut self) -> Option<Tlv<'a>> {
        let (header, rest) = self.area.split_first_chunk::<TLV_HEADER_LEN>()?;
        let [tag_high, tag_low, length_high, length_low] = *header;
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        let (value, rest) = rest.split_at_checked(length)?;
        self.area = rest;
        Some(Tlv { tag: u16::from_be_bytes([tag_high, tag_low]), value })
    }
}

impl core::fmt::Debug for Tlvs<'_> {
    /// Tags and lengths alone: values hold texts and numbers of people.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_list().entries(self.map(|tlv| (tlv.tag, tlv.value.len()))).finish()
    }
}

/// A big-endian unsigned integer of one to eight octets.
pub(crate) fn read_int(octets: &[u8]) -> Option<u64> {
    if octets.is_empty() || octets.len() > 8 {
        return None;
    }
    Some(octets.iter().fold(0, |value, octet| value << 8 | u64::from(*octet)))
}

/// How a value is to be read.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum TlvKind {
    /// Big-endian unsigned integer.
    Int,
    /// C-octet string, NUL included in the length.
    CString,
    /// Octet string.
    Octets,
}

/// What the specifications say about one tag.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct TlvSpec {
    /// The tag.
    pub tag: u16,
    /// The specification's name.
    pub name: &'static str,
    /// How the value is to be read.
    pub kind: TlvKind,
    /// Least length of the value, in octets.
    pub min: u16,
    /// Greatest length of the value, in octets.
    pub max: u16,
    /// First interface version that has it: 0x34 or 0x50.
    pub since: u8,
}

macro_rules! tlvs {
    ($($konst:ident = $tag:literal, $name:literal, $kind:ident, $min:literal, $max:literal, $since:literal;)*) => {
        /// The tags as constants.
        pub mod tag {
            $(
                #[doc = concat!("`", $name, "`.")]
                pub const $konst: u16 = $tag;
            )*
        }

        /// Every tag of the specifications, ascending.
        pub static TLV_TABLE: &[TlvSpec] = &[
            $(TlvSpec {
                tag: $tag, name: $name, kind: TlvKind::$kind, min: $min, max: $max, since: $since,
            },)*
        ];
    };
}

tlvs! {
    DEST_ADDR_SUBUNIT = 0x0005, "dest_addr_subunit", Int, 1, 1, 0x34;
    DEST_NETWORK_TYPE = 0x0006, "dest_network_type", Int, 1, 1, 0x34;
    DEST_BEARER_TYPE = 0x0007, "dest_bearer_type", Int, 1, 1, 0x34;
    DEST_TELEMATICS_ID = 0x0008, "dest_telematics_id", Int, 2, 2, 0x34;
    SOURCE_ADDR_SUBUNIT = 0x000D, "source_addr_subunit", Int, 1, 1, 0x34;
    SOURCE_NETWORK_TYPE = 0x000E, "source_network_type", Int, 1, 1, 0x34;
    SOURCE_BEARER_TYPE = 0x000F, "source_bearer_type", Int, 1, 1, 0x34;
    SOURCE_TELEMATICS_ID = 0x0010, "source_telematics_id", Int, 1, 1, 0x34;
    QOS_TIME_TO_LIVE = 0x0017, "qos_time_to_live", Int, 4, 4, 0x34;
    PAYLOAD_TYPE = 0x0019, "payload_type", Int, 1, 1, 0x34;
    ADDITIONAL_STATUS_INFO_TEXT = 0x001D, "additional_status_info_text", CString, 1, 256, 0x34;
    RECEIPTED_MESSAGE_ID = 0x001E, "receipted_message_id", CString, 1, 65, 0x34;
    MS_MSG_WAIT_FACILITIES = 0x0030, "ms_msg_wait_facilities", Int, 1, 1, 0x34;
    PRIVACY_INDICATOR = 0x0201, "privacy_indicator", Int, 1, 1, 0x34;
    SOURCE_SUBADDRESS = 0x0202, "source_subaddress", Octets, 2, 23, 0x34;
    DEST_SUBADDRESS = 0x0203, "dest_subaddress", Octets, 2, 23, 0x34;
    USER_MESSAGE_REFERENCE = 0x0204, "user_message_reference", Int, 2, 2, 0x34;
    USER_RESPONSE_CODE = 0x0205, "user_response_code", Int, 1, 1, 0x34;
    SOURCE_PORT = 0x020A, "source_port", Int, 2, 2, 0x34;
    DEST_PORT = 0x020B, "dest_port", Int, 2, 2, 0x34;
    SAR_MSG_REF_NUM = 0x020C, "sar_msg_ref_num", Int, 2, 2, 0x34;
    LANGUAGE_INDICATOR = 0x020D, "language_indicator", Int, 1, 1, 0x34;
    SAR_TOTAL_SEGMENTS = 0x020E, "sar_total_segments", Int, 1, 1, 0x34;
    SAR_SEGMENT_SEQNUM = 0x020F, "sar_segment_seqnum", Int, 1, 1, 0x34;
    SC_INTERFACE_VERSION = 0x0210, "sc_interface_version", Int, 1, 1, 0x34;
    CALLBACK_NUM_PRES_IND = 0x0302, "callback_num_pres_ind", Int, 1, 1, 0x34;
    CALLBACK_NUM_ATAG = 0x0303, "callback_num_atag", Octets, 1, 65, 0x34;
    NUMBER_OF_MESSAGES = 0x0304, "number_of_messages", Int, 1, 1, 0x34;
    CALLBACK_NUM = 0x0381, "callback_num", Octets, 4, 19, 0x34;
    DPF_RESULT = 0x0420, "dpf_result", Int, 1, 1, 0x34;
    SET_DPF = 0x0421, "set_dpf", Int, 1, 1, 0x34;
    MS_AVAILABILITY_STATUS = 0x0422, "ms_availability_status", Int, 1, 1, 0x34;
    NETWORK_ERROR_CODE = 0x0423, "network_error_code", Octets, 3, 3, 0x34;
    MESSAGE_PAYLOAD = 0x0424, "message_payload", Octets, 0, 65535, 0x34;
    DELIVERY_FAILURE_REASON = 0x0425, "delivery_failure_reason", Int, 1, 1, 0x34;
    MORE_MESSAGES_TO_SEND = 0x0426, "more_messages_to_send", Int, 1, 1, 0x34;
    MESSAGE_STATE = 0x0427, "message_state", Int, 1, 1, 0x34;
    CONGESTION_STATE = 0x0428, "congestion_state", Int, 1, 1, 0x50;
    USSD_SERVICE_OP = 0x0501, "ussd_service_op", Int, 1, 1, 0x34;
    BROADCAST_CHANNEL_INDICATOR = 0x0600, "broadcast_channel_indicator", Int, 1, 1, 0x50;
    BROADCAST_CONTENT_TYPE = 0x0601, "broadcast_content_type", Octets, 3, 3, 0x50;
    BROADCAST_CONTENT_TYPE_INFO = 0x0602, "broadcast_content_type_info", Octets, 1, 255, 0x50;
    BROADCAST_MESSAGE_CLASS = 0x0603, "broadcast_message_class", Int, 1, 1, 0x50;
    BROADCAST_REP_NUM = 0x0604, "broadcast_rep_num", Int, 2, 2, 0x50;
    BROADCAST_FREQUENCY_INTERVAL = 0x0605, "broadcast_frequency_interval", Octets, 3, 3, 0x50;
    BROADCAST_AREA_IDENTIFIER = 0x0606, "broadcast_area_identifier", Octets, 1, 101, 0x50;
    BROADCAST_ERROR_STATUS = 0x0607, "broadcast_error_status", Int, 4, 4, 0x50;
    BROADCAST_AREA_SUCCESS = 0x0608, "broadcast_area_success", Int, 1, 1, 0x50;
    BROADCAST_END_TIME = 0x0609, "broadcast_end_time", CString, 16, 17, 0x50;
    BROADCAST_SERVICE_GROUP = 0x060A, "broadcast_service_group", Octets, 1, 255, 0x50;
    BILLING_IDENTIFICATION = 0x060B, "billing_identification", Octets, 1, 1024, 0x50;
    SOURCE_NETWORK_ID = 0x060D, "source_network_id", CString, 7, 65, 0x50;
    DEST_NETWORK_ID = 0x060E, "dest_network_id", CString, 7, 65, 0x50;
    SOURCE_NODE_ID = 0x060F, "source_node_id", Octets, 6, 6, 0x50;
    DEST_NODE_ID = 0x0610, "dest_node_id", Octets, 6, 6, 0x50;
    DEST_ADDR_NP_RESOLUTION = 0x0611, "dest_addr_np_resolution", Int, 1, 1, 0x50;
    DEST_ADDR_NP_INFORMATION = 0x0612, "dest_addr_np_information", Octets, 10, 10, 0x50;
    DEST_ADDR_NP_COUNTRY = 0x0613, "dest_addr_np_country", Octets, 1, 5, 0x50;
    DISPLAY_TIME = 0x1201, "display_time", Int, 1, 1, 0x34;
    SMS_SIGNAL = 0x1203, "sms_signal", Int, 2, 2, 0x34;
    MS_VALIDITY = 0x1204, "ms_validity", Octets, 1, 4, 0x34;
    ALERT_ON_MESSAGE_DELIVERY = 0x130C, "alert_on_message_delivery", Octets, 0, 1, 0x34;
    ITS_REPLY_TYPE = 0x1380, "its_reply_type", Int, 1, 1, 0x34;
    ITS_SESSION_INFO = 0x1383, "its_session_info", Octets, 2, 2, 0x34;
}

/// The table's row for `tag`.
pub fn tag_spec(tag: u16) -> Option<&'static TlvSpec> {
    let at = TLV_TABLE.binary_search_by_key(&tag, |spec| spec.tag).ok()?;
    TLV_TABLE.get(at)
}

/// The specification's name of `tag`; `None` for vendor and unknown tags.
pub fn tag_name(tag: u16) -> Option<&'static str> {
    tag_spec(tag).map(|spec| spec.name)
}

/// The tag that the specification calls `name`.
pub fn tag_by_name(name: &str) -> Option<u16> {
    TLV_TABLE.iter().find(|spec| spec.name == name).map(|spec| spec.tag)
}
