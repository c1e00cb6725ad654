//! A PDU from its JSON, as shown or edited. Pure, lives nowhere.

use serde_json::{Map, Value};

use super::symbols::{from_symbol, number, status, text};
use super::typed::{plain_octets, plain_value, typed_octets, typed_value};
use super::{from_hex, from_latin1, pdu_to_json};
use crate::command::CommandId;
use crate::layout::{Field, FieldKind, FieldValue, encode_fields, layout};
use crate::pdu::{
    DestAddress, DestAddresses, EncodeHead, UnsuccessSme, UnsuccessSmes, VERSION_5_0,
};
use crate::status::CommandStatus;
use crate::tlv::{Tlv, Tlvs, tag_by_name};

static MEMBERS: &[&str] = &[
    "command",
    "command_id",
    "command_status",
    "status",
    "sequence_number",
    "fields",
    "symbols",
    "tlvs",
    "hex",
    "exact",
];
static TLV_MEMBERS: &[&str] = &["tag", "name", "value", "hex", "typed"];

/// The octets of a PDU in the form of [`pdu_to_json`](super::pdu_to_json): its inverse.
///
/// A value may stand in two forms, as a number and as what it means. `hex` is what was shown: of two forms the
/// one that differs from what is shown for it counts, and without `hex` both must agree. Numbers may be written
/// as `"0x1F"`, counts and lengths may be left out, a number's place may hold its name.
///
/// # Errors
/// What is missing, out of range, unknown or contradicts itself, beginning with the field's name.
pub fn json_to_pdu(value: &Value) -> Result<Vec<u8>, String> {
    let object = value.as_object().ok_or("a PDU is an object")?;
    known_members("", object, MEMBERS)?;
    let shown = match object.get("hex") {
        Some(hex) => shown(hex).map_err(|error| format!("hex: {error}"))?,
        None => Value::Null,
    };
    let doc = Doc { now: value, shown: &shown };
    let command = settle(
        "command",
        &[
            doc.form("command", |value| command(text(value)?)),
            doc.form("command_id", |value| number(value).map(CommandId)),
        ],
    )?;
    let name =
        command.name().ok_or_else(|| format!("command_id: {:#010x} is unknown", command.0))?;
    let head = EncodeHead {
        command,
        status: CommandStatus(settle(
            "command_status",
            &[doc.form("command_status", status), doc.form("status", status)],
        )?),
        sequence: settle("sequence_number", &[doc.form("sequence_number", number)])?,
        version: VERSION_5_0,
    };
    let fields = read_fields(command, name, doc)?;
    let values = fields.iter().map(Owned::borrow).collect::<Result<Vec<_>, _>>()?;
    let area = read_tlvs(doc)?;
    let mut out = Vec::new();
    encode_fields(&mut out, head, &values, Tlvs::new(&area)).map_err(|error| error.to_string())?;
    Ok(out)
}

/// What was shown for the octets.
fn shown(hex: &Value) -> Result<Value, String> {
    let shown = pdu_to_json(&from_hex(text(hex)?)?);
    match shown.get("error") {
        Some(error) => Err(text(error)?.to_owned()),
        None => Ok(shown),
    }
}

fn known_members(within: &str, object: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(format!("{within}{key}: there is no such member")),
        None => Ok(()),
    }
}

fn command(name: &str) -> Result<CommandId, String> {
    CommandId::from_name(name).ok_or_else(|| format!("there is no {name:?}"))
}

/// A part of the JSON, and the same part as it was shown; null where there is none.
#[derive(Copy, Clone)]
struct Doc<'a> {
    now: &'a Value,
    shown: &'a Value,
}

/// One form of a value: what is written, whether it was edited, and what it says.
struct Form<'a, T> {
    written: &'a Value,
    edited: bool,
    says: Option<Result<T, String>>,
}

impl<'a> Doc<'a> {
    fn at(self, name: &str) -> Self {
        let part = |value: &'a Value| value.get(name).unwrap_or(&Value::Null);
        Self { now: part(self.now), shown: part(self.shown) }
    }

    fn nth(self, index: usize) -> Self {
        let part = |value: &'a Value| value.get(index).unwrap_or(&Value::Null);
        Self { now: part(self.now), shown: part(self.shown) }
    }

    fn form<T>(self, name: &str, read: impl Fn(&Value) -> Result<T, String>) -> Form<'a, T> {
        let Doc { now, shown } = self.at(name);
        let says = (!now.is_null()).then(|| read(now));
        Form { written: now, edited: now != shown, says }
    }

    fn has(self, name: &str) -> bool {
        !self.at(name).now.is_null()
    }

    fn len(self) -> usize {
        self.now.as_array().map_or(0, Vec::len)
    }
}

/// The value that the forms give: the edited ones, which must agree, or what was shown.
fn settle<T: PartialEq + Clone>(name: &str, forms: &[Form<'_, T>]) -> Result<T, String> {
    let there = || forms.iter().filter_map(|form| Some((form, form.says.as_ref()?)));
    let mut edited = there().filter(|(form, _)| form.edited);
    let first = edited.next().or_else(|| there().next());
    let (form, says) = first.ok_or_else(|| format!("{name}: missing"))?;
    let explain = |error| format!("{name}: {error}");
    let value = says.as_ref().map_err(explain)?;
    for (other, says) in edited {
        if says.as_ref().map_err(explain)? != value {
            return Err(format!("{name}: {} and {} disagree", form.written, other.written));
        }
    }
    Ok(value.clone())
}

/// The value of one field.
enum Owned {
    Int(u32),
    Text(Vec<u8>),
    Octets(Vec<u8>),
    Destinations(u8, Vec<u8>),
    Unsuccessful(u8, Vec<u8>),
}

impl Owned {
    fn borrow(&self) -> Result<FieldValue<'_>, String> {
        let broken = |name: &str| format!("{name}: not well formed");
        Ok(match self {
            Self::Int(int) => FieldValue::Int(*int),
            Self::Text(text) => FieldValue::Text(text),
            Self::Octets(octets) => FieldValue::Octets(octets),
            Self::Destinations(count, octets) => FieldValue::Destinations(
                DestAddresses::new(*count, octets).ok_or_else(|| broken("dest_address"))?,
            ),
            Self::Unsuccessful(count, octets) => FieldValue::Unsuccessful(
                UnsuccessSmes::new(*count, octets).ok_or_else(|| broken("unsuccess_sme"))?,
            ),
        })
    }

    /// How many things a count before it counts.
    fn count(&self) -> Option<usize> {
        match self {
            Self::Int(_) | Self::Text(_) => None,
            Self::Octets(octets) => Some(octets.len()),
            Self::Destinations(count, _) | Self::Unsuccessful(count, _) => Some((*count).into()),
        }
    }
}

fn read_fields(command: CommandId, name: &str, doc: Doc<'_>) -> Result<Vec<Owned>, String> {
    let fields = layout(command).unwrap_or_default();
    let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
    let (numbers, symbols) = (doc.at("fields"), doc.at("symbols"));
    for (within, part) in [("fields.", numbers.now), ("symbols.", symbols.now)] {
        if let Some(object) = part.as_object() {
            known_members(within, object, &names).map_err(|error| format!("{error} of {name}"))?;
        }
    }
    let is_there = |field: &Field| numbers.has(field.name) || symbols.has(field.name);
    let mut values: Vec<Owned> = Vec::new();
    for (at, field) in fields.iter().enumerate() {
        let rest = fields.get(at..).unwrap_or_default();
        if command.is_response() && !rest.iter().any(is_there) {
            break;
        }
        let value = match rest.get(1).filter(|next| is_count_of(next)) {
            Some(counted) => {
                let counted = read_field(counted, numbers, symbols)?;
                read_count(field, numbers, counted.count().unwrap_or(0))?
            }
            None => read_field(field, numbers, symbols)?,
        };
        values.push(value);
    }
    Ok(values)
}

/// Whether the field before this one counts it.
fn is_count_of(field: &Field) -> bool {
    matches!(field.kind, FieldKind::Octets | FieldKind::DestAddresses | FieldKind::UnsuccessSmes)
}

/// A count or length: what it counts says it too, and alone when that was edited and this was not.
fn read_count(field: &Field, numbers: Doc<'_>, actual: usize) -> Result<Owned, String> {
    let form = numbers.form(field.name, number);
    match form.says {
        Some(Ok(said)) if form.edited && usize::try_from(said) != Ok(actual) => {
            Err(format!("{}: {said}, but there are {actual}", field.name))
        }
        Some(Err(error)) => Err(format!("{}: {error}", field.name)),
        _ => u32::try_from(actual).map(Owned::Int).map_err(|_| format!("{}: too many", field.name)),
    }
}

fn read_field(field: &Field, numbers: Doc<'_>, symbols: Doc<'_>) -> Result<Owned, String> {
    let name = field.name;
    Ok(match field.kind {
        FieldKind::Int1 => {
            let int = settle_number(name, name, numbers, symbols)?;
            Owned::Int(u8::try_from(int).map_err(|_| format!("{name}: {int} exceeds 255"))?.into())
        }
        FieldKind::Int4 => Owned::Int(settle_number(name, name, numbers, symbols)?),
        FieldKind::CString { .. } | FieldKind::Time => {
            Owned::Text(settle(name, &[numbers.form(name, |value| from_latin1(text(value)?))])?)
        }
        FieldKind::Octets => {
            Owned::Octets(settle(name, &[numbers.form(name, |value| from_hex(text(value)?))])?)
        }
        FieldKind::DestAddresses => {
            let (count, octets) = read_list(name, numbers, symbols, put_destination)?;
            Owned::Destinations(count, octets)
        }
        FieldKind::UnsuccessSmes => {
            let (count, octets) = read_list(name, numbers, symbols, put_unsuccessful)?;
            Owned::Unsuccessful(count, octets)
        }
    })
}

/// A number that stands among the numbers, by name too, or among the symbols.
fn settle_number(
    path: &str,
    name: &str,
    numbers: Doc<'_>,
    symbols: Doc<'_>,
) -> Result<u32, String> {
    let plain = |value: &Value| match number(value) {
        Err(_) if !value.is_number() => from_symbol(name, value),
        number => number,
    };
    let symbol = |value: &Value| from_symbol(name, value);
    settle(path, &[numbers.form(name, plain), symbols.form(name, symbol)])
}

type Put = fn(&str, Doc<'_>, Doc<'_>, &mut Vec<u8>) -> Result<(), String>;

fn read_list(
    name: &str,
    numbers: Doc<'_>,
    symbols: Doc<'_>,
    put: Put,
) -> Result<(u8, Vec<u8>), String> {
    let (numbers, symbols) = (numbers.at(name), symbols.at(name));
    if !numbers.now.is_array() {
        return Err(format!("{name}: a list is missing"));
    }
    let count = numbers.len();
    let mut octets = Vec::new();
    for index in 0..count {
        let path = format!("{name}[{index}].");
        put(&path, numbers.nth(index), symbols.nth(index), &mut octets)?;
    }
    Ok((u8::try_from(count).map_err(|_| format!("{name}: more than 255 entries"))?, octets))
}

/// An octet of a list's entry.
fn entry_octet(path: &str, name: &str, numbers: Doc<'_>, symbols: Doc<'_>) -> Result<u8, String> {
    let path = format!("{path}{name}");
    let int = settle_number(&path, name, numbers, symbols)?;
    u8::try_from(int).map_err(|_| format!("{path}: {int} exceeds 255"))
}

fn entry_text(path: &str, name: &str, numbers: Doc<'_>) -> Result<Vec<u8>, String> {
    let form = numbers.form(name, |value| from_latin1(text(value)?));
    settle(&format!("{path}{name}"), &[form])
}

fn put_destination(
    path: &str,
    numbers: Doc<'_>,
    symbols: Doc<'_>,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let octet = |name| entry_octet(path, name, numbers, symbols);
    let done = match octet("dest_flag")? {
        1 => DestAddress::Sme {
            ton: octet("dest_addr_ton")?,
            npi: octet("dest_addr_npi")?,
            address: &entry_text(path, "destination_addr", numbers)?,
        }
        .write(out),
        2 => DestAddress::DistributionList { name: &entry_text(path, "dl_name", numbers)? }
            .write(out),
        other => return Err(format!("{path}dest_flag: {other} is neither 1 nor 2")),
    };
    done.map_err(|error| format!("{path}{error}"))
}

fn put_unsuccessful(
    path: &str,
    numbers: Doc<'_>,
    symbols: Doc<'_>,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let name = "error_status_code";
    let status = settle_number(&format!("{path}{name}"), name, numbers, symbols)?;
    let sme = UnsuccessSme {
        ton: entry_octet(path, "dest_addr_ton", numbers, symbols)?,
        npi: entry_octet(path, "dest_addr_npi", numbers, symbols)?,
        address: &entry_text(path, "destination_addr", numbers)?,
        status: CommandStatus(status),
    };
    sme.write(out).map_err(|error| format!("{path}{error}"))
}

fn read_tlvs(doc: Doc<'_>) -> Result<Vec<u8>, String> {
    let list = doc.at("tlvs");
    if !list.now.is_null() && !list.now.is_array() {
        return Err("tlvs: not a list".to_owned());
    }
    let mut area = Vec::new();
    for index in 0..list.len() {
        let path = format!("tlvs[{index}]");
        let doc = Doc { shown: shown_tlv(list, index), ..list.nth(index) };
        let object = doc.now.as_object().ok_or_else(|| format!("{path}: not an object"))?;
        known_members(&format!("{path}."), object, TLV_MEMBERS)?;
        let (tag, value) = read_tlv(&path, doc)?;
        if !(Tlv { tag, value: &value }).write(&mut area) {
            return Err(format!("{path}: longer than 65535 octets"));
        }
    }
    Ok(area)
}

/// What was shown for a parameter: at the same place when none came or went, else the same one of its tag.
fn shown_tlv(list: Doc<'_>, index: usize) -> &Value {
    let shown = list.shown.as_array().map(Vec::as_slice).unwrap_or_default();
    if shown.len() == list.len() {
        return shown.get(index).unwrap_or(&Value::Null);
    }
    let now = list.now.as_array().map(Vec::as_slice).unwrap_or_default();
    let tag = |tlv: &Value| tlv.get("tag").cloned();
    let wanted = now.get(index).and_then(tag);
    let before = now.iter().take(index).filter(|tlv| tag(tlv) == wanted).count();
    shown.iter().filter(|tlv| tag(tlv) == wanted).nth(before).unwrap_or(&Value::Null)
}

fn read_tlv(path: &str, doc: Doc<'_>) -> Result<(u16, Vec<u8>), String> {
    let short = |value: &Value| {
        u16::try_from(number(value)?).map_err(|_| format!("{value} exceeds 16 bits"))
    };
    let named = |value: &Value| {
        let name = text(value)?;
        tag_by_name(name).ok_or_else(|| format!("there is no {name:?}"))
    };
    let tag = settle(&format!("{path}.tag"), &[doc.form("tag", short), doc.form("name", named)])?;
    let shown = doc.shown.get("hex").and_then(Value::as_str);
    let width = shown.map(|hex| hex.len() / 2);
    // Octets that are not as the table wants them can be shown, but not made from their other forms.
    let raw = doc.at("hex").now.as_str().and_then(|hex| from_hex(hex).ok());
    let raw = raw.as_deref().map(|value| Tlv { tag, value });
    let same = |shown: Option<Value>, value: &Value| {
        raw.filter(|_| shown.as_ref() == Some(value)).map(|raw| raw.value.to_vec())
    };
    let forms = [
        doc.form("hex", |value| from_hex(text(value)?)),
        doc.form("value", |value| match same(raw.map(plain_value), value) {
            Some(octets) => Ok(octets),
            None => plain_octets(tag, value, width),
        }),
        doc.form("typed", |value| match same(raw.and_then(typed_value), value) {
            Some(octets) => Ok(octets),
            None => typed_octets(tag, value),
        }),
    ];
    let value = settle(&format!("{path}.value"), &forms)?;
    Ok((tag, value))
}
