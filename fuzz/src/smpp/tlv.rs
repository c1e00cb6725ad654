//! A parameter area is read to the same parameters however it is looked at, and written as it was.

use postrider_smpp::command::CommandId;
use postrider_smpp::tlv::{Tlv, TlvKind, Tlvs, tag, tag_by_name, tag_name, tag_spec};

/// Reads an area.
pub fn run(area: &[u8]) {
    let tlvs = Tlvs::new(area);
    let read: Vec<Tlv<'_>> = { tlvs }.collect();
    let used: usize = read.iter().map(|tlv| 4 + tlv.value.len()).sum();
    let left = area.len() - used;
    assert_eq!(tlvs.is_exact(), left == 0);
    assert_eq!(tlvs.is_well_formed(), left < 4);

    let mut written = Vec::new();
    for tlv in &read {
        assert!(tlv.write(&mut written));
    }
    assert_eq!(written, area[..used]);

    for tlv in &read {
        let first = read.iter().find(|each| each.tag == tlv.tag).map(|each| each.value);
        assert_eq!(tlvs.get(tlv.tag), first);
        if let Some(int) = tlvs.get_int(tlv.tag) {
            let value = first.unwrap_or_default();
            let shown = value.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet));
            assert_eq!(u64::from(int), shown);
        }
        if let Some(text) = tlvs.get_cstring(tlv.tag) {
            assert!(!text.is_empty() && !text.contains(&0));
            assert!(first.unwrap_or_default().starts_with(text));
        }
        typed(tlv);
    }
    assert_eq!(tlvs.payload().is_some(), tlvs.get(tag::MESSAGE_PAYLOAD).is_some_and(|p| p != b""));
    for version in [0x34, 0x50] {
        for command in CommandId::ALL {
            tlvs.faults(*command, version).for_each(|fault| drop(fault.to_string()));
        }
    }
}

/// The typed value of a known tag is written back as it was read; a time may get the NUL that it lacks.
fn typed(tlv: &Tlv<'_>) {
    assert_eq!(tag_name(tlv.tag).and_then(tag_by_name), tag_name(tlv.tag).map(|_| tlv.tag));
    let (Some(spec), Some(value)) = (tag_spec(tlv.tag), tlv.typed()) else { return };
    let (mut before, mut after) = (Vec::new(), Vec::new());
    assert!(tlv.write(&mut before));
    spec.write(&value, &mut after).unwrap_or_else(|error| panic!("{}: {error}", spec.name));
    if spec.kind != TlvKind::Time {
        assert_eq!(before, after, "{}", spec.name);
    }
    let again = Tlvs::new(&after).next().and_then(|tlv| tlv.typed());
    assert!(again == Some(value), "{}", spec.name);
}
