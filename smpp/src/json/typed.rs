//! The values of parameters as JSON, both ways: the plain value, and the typed one by the table's row. Pure,
//! lives nowhere.

use serde_json::{Value, json};

use super::symbols::{Members, name_or_number, named, number, status, text};
use super::{from_hex, from_latin1, latin1, to_hex};
use crate::status::CommandStatus;
use crate::tlv::{
    Structure, TLV_HEADER_LEN, Tlv, TlvKind, TlvSpec, TlvValue, names, read_int, tag_spec,
};
use crate::values::{Congestion, Names, Npi, Ton};

const NO_NAMES: Names = Names(&[]);

/// How a value is shown plainly.
enum Plain {
    Int,
    Text,
    Hex,
}

fn plain(spec: Option<&TlvSpec>) -> Plain {
    match spec.map(|spec| spec.kind) {
        Some(
            TlvKind::Int
            | TlvKind::Named(_)
            | TlvKind::Status
            | TlvKind::Congestion
            | TlvKind::Structured(Structure::MessageWaiting | Structure::CallbackPresentation),
        ) => Plain::Int,
        Some(TlvKind::CString | TlvKind::Time) => Plain::Text,
        _ => Plain::Hex,
    }
}

/// The plain value: an integer, a text without its NUL, or hexadecimal.
pub(super) fn plain_value(tlv: Tlv<'_>) -> Value {
    match plain(tag_spec(tlv.tag)) {
        Plain::Int => read_int(tlv.value).map_or_else(|| to_hex(tlv.value).into(), Value::from),
        Plain::Text => latin1(tlv.value.strip_suffix(b"\0").unwrap_or(tlv.value)).into(),
        Plain::Hex => to_hex(tlv.value).into(),
    }
}

/// The octets of a plain value; an integer is `width` octets wide, or as wide as the row says.
pub(super) fn plain_octets(
    tag: u16,
    value: &Value,
    width: Option<usize>,
) -> Result<Vec<u8>, String> {
    let spec = tag_spec(tag);
    match plain(spec) {
        Plain::Int if value.is_u64() => {
            let row = spec.map_or(1, |spec| usize::from(*spec.lengths(0x50).start()));
            let octets = value.as_u64().unwrap_or_default().to_be_bytes();
            let (over, octets) = octets.split_at(octets.len().saturating_sub(width.unwrap_or(row)));
            if over.iter().any(|octet| *octet != 0) {
                return Err(format!("{value} does not fit {} octets", octets.len()));
            }
            Ok(octets.to_vec())
        }
        Plain::Text => {
            let mut octets = from_latin1(text(value)?)?;
            octets.push(0);
            Ok(octets)
        }
        Plain::Int | Plain::Hex => from_hex(text(value)?),
    }
}

/// The typed value, where the row has one that says more than the plain value.
pub(super) fn typed_value(tlv: Tlv<'_>) -> Option<Value> {
    let spec = tag_spec(tlv.tag)?;
    let value = tlv.typed()?;
    Some(match (value, spec.kind) {
        (TlvValue::Int(int), TlvKind::Named(names)) => names.name(int)?.into(),
        (TlvValue::Int(int), TlvKind::Status) => CommandStatus(int).name()?.into(),
        (TlvValue::Int(int), TlvKind::Congestion) => {
            let percent = u8::try_from(int).ok()?;
            json!({ "percent": percent, "load": Congestion(percent).name() })
        }
        (TlvValue::Octets(digits), TlvKind::Digits) => latin1(digits).into(),
        (TlvValue::Int(_) | TlvValue::Text(_) | TlvValue::Octets(_), _) => return None,
        (value, _) => structure(value),
    })
}

fn structure(value: TlvValue<'_>) -> Value {
    let name = |names, value: u8| name_or_number(names, value.into());
    match value {
        TlvValue::Int(_) | TlvValue::Text(_) | TlvValue::Octets(_) => Value::Null,
        TlvValue::MessageWaiting { active, what } => {
            json!({ "active": active, "what": name(names::WAITING, what) })
        }
        TlvValue::CallbackPresentation { presentation, screening } => json!({
            "presentation": name(names::PRESENTATION, presentation),
            "screening": name(names::SCREENING, screening),
        }),
        TlvValue::CallbackTag { data_coding, text } => {
            json!({ "data_coding": data_coding, "text": to_hex(text) })
        }
        TlvValue::CallbackNum { digit_mode, ton, npi, digits } => json!({
            "digit_mode": name(names::DIGIT_MODE, digit_mode),
            "ton": name(Ton::NAMES, ton),
            "npi": name(Npi::NAMES, npi),
            "digits": latin1(digits),
        }),
        TlvValue::Subaddress { kind, address } => {
            json!({ "kind": name(names::SUBADDRESS, kind), "address": to_hex(address) })
        }
        TlvValue::NetworkError { network, code } => {
            json!({ "network": name(names::ERROR_NETWORK, network), "code": code })
        }
        TlvValue::ContentType { network, service } => {
            json!({ "network": name(names::CONTENT_NETWORK, network), "service": service })
        }
        TlvValue::Frequency { unit, count } => {
            json!({ "unit": name(names::FREQUENCY, unit), "count": count })
        }
        TlvValue::Area { format, details } => {
            let details = if format == 0 { latin1(details) } else { to_hex(details) };
            json!({ "format": name(names::AREA, format), "details": details })
        }
        TlvValue::Billing { format, data } => json!({ "format": format, "data": to_hex(data) }),
        TlvValue::MsValidity { behaviour, period: None } => {
            json!({ "behaviour": name(names::VALIDITY, behaviour) })
        }
        TlvValue::MsValidity { behaviour, period: Some((unit, count)) } => json!({
            "behaviour": name(names::VALIDITY, behaviour),
            "unit": name(names::VALIDITY_UNIT, unit),
            "count": count,
        }),
        TlvValue::Alert { priority: None } => json!({}),
        TlvValue::Alert { priority: Some(priority) } => {
            json!({ "priority": name(names::ALERT, priority) })
        }
        TlvValue::ItsSession { session, number, end } => {
            json!({ "session": session, "number": number, "end": end })
        }
    }
}

/// The octets of a typed value.
pub(super) fn typed_octets(tag: u16, value: &Value) -> Result<Vec<u8>, String> {
    let spec = tag_spec(tag).ok_or("an unknown tag has no typed value")?;
    let write = |typed: TlvValue<'_>| {
        let mut out = Vec::new();
        spec.write(&typed, &mut out).map_err(|error| error.to_string())?;
        Ok(out.split_off(TLV_HEADER_LEN))
    };
    match spec.kind {
        TlvKind::Named(names) => write(TlvValue::Int(named(names, value)?)),
        TlvKind::Status => write(TlvValue::Int(status(value)?)),
        TlvKind::Int => write(TlvValue::Int(number(value)?)),
        TlvKind::CString | TlvKind::Time => write(TlvValue::Text(&from_latin1(text(value)?)?)),
        TlvKind::Octets => write(TlvValue::Octets(&from_hex(text(value)?)?)),
        TlvKind::Digits => write(TlvValue::Octets(&from_latin1(text(value)?)?)),
        TlvKind::Congestion => write(TlvValue::Int(read_congestion(Members::new(value)?)?)),
        TlvKind::Structured(structure) => {
            let mut members = Members::new(value)?;
            let mut octets = Vec::new();
            let typed = read_structure(structure, &mut members, &mut octets)?;
            members.end()?;
            write(typed)
        }
    }
}

/// Reads a structure; its octets, if it has any, go into `octets`.
fn read_structure<'o>(
    structure: Structure,
    m: &mut Members<'_>,
    octets: &'o mut Vec<u8>,
) -> Result<TlvValue<'o>, String> {
    use TlvValue as V;
    Ok(match structure {
        Structure::MessageWaiting => {
            V::MessageWaiting { active: m.flag("active")?, what: m.octet("what", names::WAITING)? }
        }
        Structure::CallbackPresentation => V::CallbackPresentation {
            presentation: m.octet("presentation", names::PRESENTATION)?,
            screening: m.octet("screening", names::SCREENING)?,
        },
        Structure::CallbackTag => {
            *octets = m.hex("text")?;
            V::CallbackTag { data_coding: m.octet("data_coding", NO_NAMES)?, text: octets }
        }
        Structure::CallbackNum => {
            *octets = m.latin1("digits")?;
            V::CallbackNum {
                digit_mode: m.octet("digit_mode", names::DIGIT_MODE)?,
                ton: m.octet("ton", Ton::NAMES)?,
                npi: m.octet("npi", Npi::NAMES)?,
                digits: octets,
            }
        }
        Structure::Subaddress => {
            *octets = m.hex("address")?;
            V::Subaddress { kind: m.octet("kind", names::SUBADDRESS)?, address: octets }
        }
        Structure::NetworkError => V::NetworkError {
            network: m.octet("network", names::ERROR_NETWORK)?,
            code: m.short("code")?,
        },
        Structure::ContentType => V::ContentType {
            network: m.octet("network", names::CONTENT_NETWORK)?,
            service: m.short("service")?,
        },
        Structure::Frequency => {
            V::Frequency { unit: m.octet("unit", names::FREQUENCY)?, count: m.short("count")? }
        }
        Structure::Area => {
            let format = m.octet("format", names::AREA)?;
            *octets = if format == 0 { m.latin1("details")? } else { m.hex("details")? };
            V::Area { format, details: octets }
        }
        Structure::Billing => {
            *octets = m.hex("data")?;
            V::Billing { format: m.octet("format", NO_NAMES)?, data: octets }
        }
        Structure::MsValidity => read_validity(m)?,
        Structure::Alert => {
            let given = m.has("priority").then(|| m.octet("priority", names::ALERT));
            V::Alert { priority: given.transpose()? }
        }
        Structure::ItsSession => V::ItsSession {
            session: m.octet("session", NO_NAMES)?,
            number: m.octet("number", NO_NAMES)?,
            end: m.flag("end")?,
        },
    })
}

fn read_validity(m: &mut Members<'_>) -> Result<TlvValue<'static>, String> {
    let behaviour = m.octet("behaviour", names::VALIDITY)?;
    let period = if m.has("unit") || m.has("count") {
        Some((m.octet("unit", names::VALIDITY_UNIT)?, m.short("count")?))
    } else {
        None
    };
    Ok(TlvValue::MsValidity { behaviour, period })
}

/// The percentage counts; the word for it must be that of the percentage.
fn read_congestion(mut members: Members<'_>) -> Result<u32, String> {
    let percent = members.octet("percent", NO_NAMES)?;
    let load = Congestion(percent).name();
    if members.get("load").is_some_and(|said| said.as_str() != Some(load)) {
        return Err(format!("load: {percent} percent is {load:?}; change the percentage"));
    }
    members.end()?;
    Ok(percent.into())
}
