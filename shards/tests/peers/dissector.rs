//! How our JSON view of a PDU reads in Wireshark's words, to compare the two: every field that
//! either has must be in the other. Pure.
#![allow(clippy::wildcard_enum_match_arm, reason = "JSON has no further kinds of values")]

use serde_json::Value;

/// What Wireshark 4.0 reads otherwise than the specification has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misreading {
    /// It takes ms_validity for one octet; 5.0 has four too [5.0 section 4.8.4.40].
    MsValidity,
    /// It takes broadcast_rep_num for one octet instead of two [5.0 section 4.8.4.10].
    BroadcastRepNum,
    /// It asks for the NUL that the length given in the specification leaves out of
    /// broadcast_end_time [5.0 section 4.8.4.7].
    BroadcastEndTime,
    /// It leaves years and months out of relative times [3.4 section 7.1.1.2].
    YearsAndMonths,
    /// It shows the validity_period of submit_multi as a second schedule_delivery_time.
    SubmitMultiValidity,
}

impl Misreading {
    /// Whether the octets after it are read from a wrong place on, so that the packet may be called
    /// malformed.
    pub(crate) fn derails(self) -> bool {
        match self {
            Self::MsValidity | Self::BroadcastRepNum | Self::BroadcastEndTime => true,
            Self::YearsAndMonths | Self::SubmitMultiValidity => false,
        }
    }
}

/// Differences between the readings, and the known misreadings among the PDU's fields.
pub(crate) struct Compared {
    pub(crate) differences: Vec<String>,
    pub(crate) misread: Vec<Misreading>,
}

/// A value in Wireshark's words.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    Number(u64),
    Text(String),
    /// Hexadecimal.
    Octets(String),
}

impl Word {
    fn is(&self, shown: &str) -> bool {
        match self {
            Word::Number(number) => {
                let read = match shown.strip_prefix("0x") {
                    Some(hex) => u64::from_str_radix(hex, 16).ok(),
                    None => shown.parse().ok(),
                };
                read == Some(*number)
            }
            Word::Text(text) => text == shown,
            Word::Octets(hex) => *hex == shown.replace(':', ""),
        }
    }
}

type Words = Vec<(String, Word)>;

/// Compares `ours` (`postrider pdu decode --json` of `octets`) with Wireshark's layer.
pub(crate) fn compare(ours: &Value, octets: &[u8], theirs: &Value) -> Compared {
    let mut misread = Vec::new();
    let mut wanted = header(ours, octets);
    for (name, value) in ours["fields"].as_object().unwrap() {
        wanted.extend(field(ours, name, value, &mut misread));
    }
    let mut shown: Vec<(String, String)> = Vec::new();
    flatten(theirs, &mut shown);
    shown.retain(|field| !is_an_extra(field));
    let tlvs = tlvs_of(theirs);
    let mut differences = differences("", wanted, &shown);
    for (at, tlv) in ours["tlvs"].as_array().unwrap().iter().enumerate() {
        let tag = number_of(&tlv["tag"]);
        let value = &tlv["value"];
        if let Some(kind) = tlv_misreading(tag, value) {
            // What follows it is read from the wrong octet on.
            misread.push(kind);
            return Compared { differences, misread };
        }
        let wanted = tlv_words(tag, tlv);
        let shown = tlvs.get(at).cloned().unwrap_or_default();
        differences.extend(self::differences(&format!("TLV {tag:04X} "), wanted, &shown));
    }
    if tlvs.len() != ours["tlvs"].as_array().unwrap().len() {
        differences.push(format!("{} TLVs are shown: {theirs}", tlvs.len()));
    }
    Compared { differences, misread }
}

fn differences(of: &str, wanted: Words, shown: &[(String, String)]) -> Vec<String> {
    let mut left: Vec<&(String, String)> = shown.iter().collect();
    let mut found = Vec::new();
    for (name, word) in wanted {
        match left.iter().position(|(key, value)| *key == name && word.is(value)) {
            Some(at) => drop(left.remove(at)),
            None => found.push(format!("{of}ours {name} = {word:?}")),
        }
    }
    found.extend(left.iter().map(|(key, value)| format!("{of}Wireshark's {key} = {value:?}")));
    found
}

/// Wireshark's fields outside the TLVs, each value for itself.
fn flatten(layer: &Value, into: &mut Vec<(String, String)>) {
    for (key, value) in layer.as_object().unwrap() {
        let name = key.trim_start_matches("smpp.").to_owned();
        match value {
            Value::String(text) => into.push((name, text.clone())),
            Value::Array(several) => into
                .extend(several.iter().map(|one| (name.clone(), one.as_str().unwrap().to_owned()))),
            Value::Object(_) if name != "opt_params" => flatten(value, into),
            _ => {}
        }
    }
}

/// Whether Wireshark shows this beside the PDU's own fields: the text that it makes of the octets,
/// the bits of data_coding, remarks; or an empty string, which it shows at some times and not at
/// others. Octets and data_coding themselves are compared.
fn is_an_extra((name, value): &(String, String)) -> bool {
    name == "message_text"
        || name.starts_with("dcs.")
        || name.starts_with("_ws.")
        || value.is_empty()
}

/// The fields of each TLV.
fn tlvs_of(layer: &Value) -> Vec<Vec<(String, String)>> {
    let several = match &layer["smpp.opt_params"]["smpp.opt_param"] {
        Value::Array(several) => several.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    };
    let read = |tlv: &Value| {
        let mut fields = Vec::new();
        flatten(tlv, &mut fields);
        // The length follows from the value, which is compared.
        fields.retain(|field| field.0 != "opt_param_len" && !is_an_extra(field));
        fields
    };
    several.iter().map(read).collect()
}

fn number_of(value: &Value) -> u64 {
    match value.as_str().and_then(|text| text.strip_prefix("0x")) {
        Some(hex) => u64::from_str_radix(hex, 16).unwrap(),
        None => value.as_u64().unwrap(),
    }
}

fn number(name: &str, number: u64) -> (String, Word) {
    (name.to_owned(), Word::Number(number))
}

fn text(name: &str, text: &str) -> (String, Word) {
    (name.to_owned(), Word::Text(text.to_owned()))
}

fn header(ours: &Value, octets: &[u8]) -> Words {
    let id = number_of(&ours["command_id"]);
    let mut words = vec![
        number("command_length", octets.len() as u64),
        number("command_id", id),
        number("sequence_number", number_of(&ours["sequence_number"])),
    ];
    if id & 0x8000_0000 != 0 {
        words.push(number("command_status", number_of(&ours["command_status"])));
    }
    words
}

fn field(pdu: &Value, name: &str, value: &Value, misread: &mut Vec<Misreading>) -> Words {
    match (name, value) {
        // The lengths of the lists are not shown, but each of the lists' members is.
        ("number_of_dests" | "no_unsuccess", _) => Vec::new(),
        ("dest_address" | "unsuccess_sme", Value::Array(several)) => {
            several.iter().flat_map(member).collect()
        }
        ("esm_class", _) => {
            let octet = number_of(value);
            vec![
                number("esm.submit.msg_mode", octet & 3),
                number("esm.submit.msg_type", octet >> 2 & 0xF),
                number("esm.submit.features", octet >> 6),
            ]
        }
        ("registered_delivery", _) => {
            let octet = number_of(value);
            vec![
                number("regdel.receipt", octet & 3),
                number("regdel.acks", octet >> 2 & 3),
                number("regdel.notif", octet >> 4 & 1),
            ]
        }
        ("schedule_delivery_time" | "validity_period" | "final_date", Value::String(time)) => {
            let multi = pdu["command"] == "submit_multi" && name == "validity_period";
            if multi {
                misread.push(Misreading::SubmitMultiValidity);
            }
            if name == "final_date" && time.is_empty() {
                return Vec::new();
            }
            vec![time_word(if multi { "schedule_delivery_time" } else { name }, time, misread)]
        }
        ("short_message", Value::String(hex)) if hex.is_empty() => Vec::new(),
        ("short_message", Value::String(hex)) => {
            vec![("message".to_owned(), Word::Octets(hex.clone()))]
        }
        ("service_type", Value::String(empty)) if empty.is_empty() => vec![text(name, "(Default)")],
        (_, Value::String(empty)) if empty.is_empty() => Vec::new(),
        (_, Value::String(said)) => vec![text(name, said)],
        _ => vec![number(name, number_of(value))],
    }
}

/// A destination of submit_multi, or one that it did not reach.
fn member(one: &Value) -> Words {
    let fields = one.as_object().unwrap().iter().filter(|(name, _)| *name != "dest_flag");
    let words = fields.map(|(name, value)| match value {
        Value::String(said) if !said.starts_with("0x") => text(name, said),
        _ => number(name, number_of(value)),
    });
    words.collect()
}

/// A time [3.4 section 7.1.1].
fn time_word(name: &str, time: &str, misread: &mut Vec<Misreading>) -> (String, Word) {
    let two = |at: usize| time[at..at + 2].parse::<u64>().unwrap();
    let seconds = |days: u64| ((days * 24 + two(6)) * 60 + two(8)) * 60 + two(10);
    if time.is_empty() {
        return text(&format!("{name}_r"), "0.000000000");
    }
    if time.ends_with('R') {
        if two(0) + two(2) > 0 {
            misread.push(Misreading::YearsAndMonths);
        }
        return text(&format!("{name}_r"), &format!("{}.000000000", seconds(two(4))));
    }
    let months =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months[two(2) as usize - 1];
    let (day, tenths) = (two(4), &time[12..13]);
    assert_eq!(&time[13..], "00+", "only UTC is asked for here");
    let clock = format!("{:02}:{:02}:{:02}.{tenths}00000000", two(6), two(8), two(10));
    text(name, &format!("{month} {day:2}, 20{:02} {clock} UTC", two(0)))
}

fn tlv_misreading(tag: u64, value: &Value) -> Option<Misreading> {
    let octets = value.as_str().map_or(0, |hex| hex.len() / 2);
    match tag {
        0x1204 if octets > 1 => Some(Misreading::MsValidity),
        0x0604 => Some(Misreading::BroadcastRepNum),
        0x0609 => Some(Misreading::BroadcastEndTime),
        _ => None,
    }
}

/// A TLV in Wireshark's words.
fn tlv_words(tag: u64, tlv: &Value) -> Words {
    let value = &tlv["value"];
    let hex = value.as_str().unwrap_or_default();
    let octets = |from: usize, to: usize| u64::from_str_radix(&hex[2 * from..2 * to], 16).unwrap();
    let int = value.as_u64().unwrap_or_default();
    let bytes = |name: &str| (name.to_owned(), Word::Octets(hex.to_owned()));
    let mut words = vec![number("opt_param_tag", tag)];
    words.extend(match tag {
        0x0030 => vec![number("msg_wait.ind", int >> 7), number("msg_wait.type", int & 3)],
        0x020B => vec![number("destination_port", int)],
        0x0210 => vec![number("SC_interface_version", int)],
        0x0302 => {
            vec![number("callback_num.pres", int >> 2 & 3), number("callback_num.scrn", int & 3)]
        }
        // Shown as a line of text that is no field.
        0x0303 | 0x0381 => Vec::new(),
        0x0423 => {
            vec![
                number("network_error.type", octets(0, 1)),
                number("network_error.code", octets(1, 3)),
            ]
        }
        0x0601 => vec![
            number("broadcast_content_type.nw", octets(0, 1)),
            number("broadcast_content_type.type", octets(1, 3)),
        ],
        0x0602 => vec![bytes("broadcast_content_type.info")],
        0x0605 => vec![
            number("broadcast_frequency_interval.unit", octets(0, 1)),
            number("broadcast_frequency_interval.value", octets(1, 3)),
        ],
        0x0606 => vec![
            number("broadcast_area_identifier.format", octets(0, 1)),
            bytes("broadcast_area_identifier"),
        ],
        0x060B => vec![bytes("billing_id")],
        0x0612 => vec![bytes("dest_addr_np_info")],
        0x130C if value == "" => Vec::new(),
        0x1204 => vec![number("ms_validity", octets(0, 1))],
        0x130C => vec![number("alert_on_message_delivery_type", int)],
        0x1383 => vec![
            number("its_session.number", octets(0, 1)),
            number("its_session.sequence", octets(1, 2) >> 1),
            number("its_session.ind", octets(1, 2) & 1),
        ],
        0x1400..=0x3FFF => vec![bytes("vendor_op")],
        _ => vec![plain_tlv(tlv)],
    });
    words
}

/// A TLV that is one field of the same name.
fn plain_tlv(tlv: &Value) -> (String, Word) {
    let value = &tlv["value"];
    let Some(name) = tlv["name"].as_str() else {
        return ("reserved_op".to_owned(), Word::Octets(value.as_str().unwrap().to_owned()));
    };
    let is_text = [
        "additional_status_info_text",
        "receipted_message_id",
        "source_network_id",
        "dest_network_id",
    ];
    match value {
        Value::String(said) if is_text.contains(&name) => text(name, said),
        Value::String(hex) => (name.to_owned(), Word::Octets(hex.clone())),
        _ => number(name, number_of(value)),
    }
}
