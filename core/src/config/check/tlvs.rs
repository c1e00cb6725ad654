//! Checks of `[[carriers.tlvs]]`. Pure, lives nowhere.

use super::smpp::sender;
use super::tools::{number, too_many};
use crate::config::error::ConfigErrors;
use crate::config::profile::CarrierTlv;
use crate::config::raw::RawTlv;
use crate::limits;

/// TLVs that the gateway itself writes [3.4 section 5.3.2].
const OWN: [(u16, &str); 4] = [
    (0x020C, "sar_msg_ref_num"),
    (0x020E, "sar_total_segments"),
    (0x020F, "sar_segment_seqnum"),
    (0x0424, "message_payload"),
];
const USER_MESSAGE_REFERENCE: (u16, &str) = (0x0204, "user_message_reference");

/// The TLVs at `own`; `referenced` when the gateway sends user_message_reference.
pub(super) fn tlvs(
    e: &mut ConfigErrors,
    own: &str,
    raw: Vec<RawTlv>,
    referenced: bool,
) -> Vec<CarrierTlv> {
    too_many(e, own, raw.len(), limits::MAX_CARRIER_TLVS);
    let mut tlvs: Vec<CarrierTlv> = Vec::with_capacity(raw.len());
    for (index, raw) in raw.into_iter().enumerate() {
        let at = format!("{own}[{index}]");
        let tlv = one_tlv(e, &at, raw, referenced);
        let same = |other: &CarrierTlv| {
            (other.tag, &other.senders, &other.template) == (tlv.tag, &tlv.senders, &tlv.template)
        };
        if let Some(other) = tlvs.iter().position(same) {
            let what = format!("{own}[{other}] has the same tag, senders and template");
            e.add(at, what, "keep one of them, or say when each is sent");
        }
        tlvs.push(tlv);
    }
    tlvs
}

fn one_tlv(e: &mut ConfigErrors, at: &str, raw: RawTlv, referenced: bool) -> CarrierTlv {
    let tag = tag(e, &format!("{at}.tag"), raw.tag, referenced);
    let value = value(e, at, &raw);
    let mut senders = Vec::with_capacity(raw.senders.len());
    for (index, text) in raw.senders.iter().enumerate() {
        senders.extend(sender(e, &format!("{at}.senders[{index}]"), text));
    }
    if let Some(template) = &raw.template {
        let most = usize::try_from(limits::MAX_TEXT_CHARS).unwrap_or(usize::MAX);
        let chars = template.chars().count();
        if chars == 0 || chars > most {
            let mend = format!("give 1 to {most}; {{#var#}} stands for any run of them");
            e.add(format!("{at}.template"), format!("it has {chars} characters"), mend);
        }
    }
    CarrierTlv { tag, value, senders, template: raw.template }
}

fn tag(e: &mut ConfigErrors, at: &str, tag: Option<i64>, referenced: bool) -> u16 {
    let Some(tag) = tag else {
        e.add(at, "it is missing", "give the tag, like 0x1400");
        return 0;
    };
    let tag: u16 = number(e, at, tag, 0..=i64::from(u16::MAX));
    let own = OWN.iter().chain(Some(&USER_MESSAGE_REFERENCE).filter(|_| referenced));
    if let Some((_, name)) = own.copied().find(|(own, _)| *own == tag) {
        e.add(at, format!("the gateway itself writes {name}"), "remove it");
    }
    tag
}

fn value(e: &mut ConfigErrors, at: &str, raw: &RawTlv) -> Vec<u8> {
    let given = [raw.text.is_some(), raw.hex.is_some(), raw.int.is_some()];
    if given.iter().filter(|given| **given).count() != 1 {
        let what = "the value must be given once";
        e.add(at, what, "give one of text, hex, and int with width");
        return Vec::new();
    }
    if raw.width.is_some() && raw.int.is_none() {
        e.add(format!("{at}.width"), "it is for int only", "remove it");
    }
    let octets = if let Some(text) = &raw.text {
        text.clone().into_bytes()
    } else if let Some(hex) = &raw.hex {
        hex_octets(hex).unwrap_or_else(|| {
            let what = "it is no hexadecimal number of whole octets";
            e.add(format!("{at}.hex"), what, "give two digits for each octet, like \"00ff\"");
            Vec::new()
        })
    } else {
        integer(e, at, raw.int.unwrap_or_default(), raw.width)
    };
    if octets.len() > limits::MAX_CARRIER_TLV_BYTES {
        let mend = format!("at most {} are allowed", limits::MAX_CARRIER_TLV_BYTES);
        e.add(at, format!("the value has {} octets", octets.len()), mend);
    }
    octets
}

fn integer(e: &mut ConfigErrors, at: &str, int: i64, width: Option<i64>) -> Vec<u8> {
    let width_at = format!("{at}.width");
    let Some(width) = width else {
        e.add(width_at, "it is missing", "give the octets of the number: 1, 2 or 4");
        return Vec::new();
    };
    let int_at = format!("{at}.int");
    match width {
        1 => number::<u8>(e, &int_at, int, 0..=i64::from(u8::MAX)).to_be_bytes().to_vec(),
        2 => number::<u16>(e, &int_at, int, 0..=i64::from(u16::MAX)).to_be_bytes().to_vec(),
        4 => number::<u32>(e, &int_at, int, 0..=i64::from(u32::MAX)).to_be_bytes().to_vec(),
        _ => {
            e.add(width_at, format!("{width} octets are not possible"), "give 1, 2 or 4");
            Vec::new()
        }
    }
}

fn hex_octets(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let nibble = |octet: u8| char::from(octet).to_digit(16);
    let octet = |[high, low]: &[u8; 2]| u8::try_from(nibble(*high)? << 4 | nibble(*low)?).ok();
    if rest.is_empty() { pairs.iter().map(octet).collect() } else { None }
}
