//! The symbolic form of fields, both ways. Pure, lives nowhere.

use serde_json::{Map, Value, json};

use crate::status::CommandStatus;
use crate::tlv::names;
use crate::values::{
    EsmClass, MessageMode, MessageState, MessageType, Names, Npi, ReceiptRequest,
    RegisteredDelivery, SmeAcknowledgement, Ton,
};

const DEST_FLAGS: Names = Names(&[(1, "sme_address"), (2, "distribution_list")]);
const REPLACE: Names = Names(&[(0, "keep"), (1, "replace")]);

/// The names of the values of a field, where they are a plain list.
pub(super) fn field_names(field: &str) -> Option<Names> {
    Some(match field {
        "addr_ton" | "source_addr_ton" | "dest_addr_ton" | "esme_addr_ton" => Ton::NAMES,
        "addr_npi" | "source_addr_npi" | "dest_addr_npi" | "esme_addr_npi" => Npi::NAMES,
        "interface_version" => names::VERSION,
        "message_state" => MessageState::NAMES,
        "replace_if_present_flag" => REPLACE,
        "dest_flag" => DEST_FLAGS,
        _ => return None,
    })
}

/// The symbolic form of a field's value; `None` where it has none.
pub(super) fn symbol(field: &str, value: u32) -> Option<Value> {
    let octet = u8::try_from(value).ok();
    match field {
        "esm_class" => octet.map(|octet| esm_class(EsmClass(octet))),
        "registered_delivery" => octet.map(|octet| registered_delivery(RegisteredDelivery(octet))),
        "command_status" | "error_status_code" => CommandStatus(value).name().map(Value::from),
        _ => field_names(field)?.name(value).map(Value::from),
    }
}

/// The value that a symbolic form stands for.
pub(super) fn from_symbol(field: &str, symbol: &Value) -> Result<u32, String> {
    match field {
        "esm_class" => read_esm_class(symbol),
        "registered_delivery" => read_registered_delivery(symbol),
        "command_status" | "error_status_code" => status(symbol),
        _ => {
            let names = field_names(field).ok_or("it has no symbolic form")?;
            named(names, symbol)
        }
    }
}

/// A status by name or number.
pub(super) fn status(value: &Value) -> Result<u32, String> {
    match value.as_str().filter(|text| !text.starts_with("0x")) {
        Some(name) => CommandStatus::from_name(name)
            .map(|status| status.0)
            .ok_or_else(|| format!("there is no status {name:?}")),
        None => number(value),
    }
}

/// A number of a list, by name or as a number.
pub(super) fn named(names: Names, value: &Value) -> Result<u32, String> {
    match value.as_str().filter(|text| !text.starts_with("0x")) {
        Some(name) => names.value(name).ok_or_else(|| {
            let known: Vec<&str> = names.0.iter().map(|row| row.1).collect();
            format!("{name:?} is none of {}", known.join(", "))
        }),
        None => number(value),
    }
}

/// The name of a value, or the value where it has none.
pub(super) fn name_or_number(names: Names, value: u32) -> Value {
    names.name(value).map_or_else(|| value.into(), Value::from)
}

/// A number, also as hexadecimal text with `0x`.
pub(super) fn number(value: &Value) -> Result<u32, String> {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    let number = match digits {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => value.as_u64().and_then(|number| u32::try_from(number).ok()),
    };
    number.ok_or_else(|| format!("{value} is no number of 32 bits"))
}

/// The members of an object, each read once; what is left over at the end is an error.
pub(super) struct Members<'a> {
    object: &'a Map<String, Value>,
    read: Vec<&'static str>,
}

impl<'a> Members<'a> {
    pub(super) fn new(value: &'a Value) -> Result<Self, String> {
        let object = value.as_object().ok_or_else(|| format!("{value} is no object"))?;
        Ok(Self { object, read: Vec::new() })
    }

    pub(super) fn get(&mut self, name: &'static str) -> Option<&'a Value> {
        self.read.push(name);
        self.object.get(name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    fn at<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&Value) -> Result<T, String>,
    ) -> Result<T, String> {
        let value = self.get(name).ok_or_else(|| format!("{name} is missing"))?;
        read(value).map_err(|error| format!("{name}: {error}"))
    }

    /// A number of at most `max`, by one of `names` too.
    pub(super) fn named(
        &mut self,
        name: &'static str,
        names: Names,
        max: u32,
    ) -> Result<u32, String> {
        self.at(name, |value| {
            let number = named(names, value)?;
            if number > max { Err(format!("{number} exceeds {max}")) } else { Ok(number) }
        })
    }

    pub(super) fn octet(&mut self, name: &'static str, names: Names) -> Result<u8, String> {
        let number = self.named(name, names, u8::MAX.into())?;
        Ok(u8::try_from(number).unwrap_or(u8::MAX))
    }

    pub(super) fn short(&mut self, name: &'static str) -> Result<u16, String> {
        let number = self.named(name, Names(&[]), u16::MAX.into())?;
        Ok(u16::try_from(number).unwrap_or(u16::MAX))
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, String> {
        self.at(name, |value| {
            value.as_bool().ok_or_else(|| format!("{value} is not true or false"))
        })
    }

    pub(super) fn hex(&mut self, name: &'static str) -> Result<Vec<u8>, String> {
        self.at(name, |value| super::from_hex(text(value)?))
    }

    pub(super) fn latin1(&mut self, name: &'static str) -> Result<Vec<u8>, String> {
        self.at(name, |value| super::from_latin1(text(value)?))
    }

    pub(super) fn end(self) -> Result<(), String> {
        match self.object.keys().find(|key| !self.read.contains(&key.as_str())) {
            Some(key) => Err(format!("{key:?} has no place here")),
            None => Ok(()),
        }
    }
}

/// A string.
pub(super) fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("{value} is no text"))
}

fn esm_class(class: EsmClass) -> Value {
    json!({
        "mode": name_or_number(MessageMode::NAMES, class.mode() as u32),
        "type": name_or_number(MessageType::NAMES, class.message_type().bits().into()),
        "udhi": class.has_udh(),
        "reply_path": class.has_reply_path(),
    })
}

fn read_esm_class(symbol: &Value) -> Result<u32, String> {
    let mut members = Members::new(symbol)?;
    let mode = members.named("mode", MessageMode::NAMES, 3)?;
    let kind = members.named("type", MessageType::NAMES, 0x3C)?;
    if kind & 0x03 != 0 {
        return Err(format!("type: {kind} is not within bits 5 to 2"));
    }
    let udhi = u32::from(members.flag("udhi")?) << 6;
    let reply_path = u32::from(members.flag("reply_path")?) << 7;
    members.end()?;
    Ok(mode | kind | udhi | reply_path)
}

fn registered_delivery(asked: RegisteredDelivery) -> Value {
    let mut object = json!({
        "receipt": name_or_number(ReceiptRequest::NAMES, asked.receipt() as u32),
        "sme_acknowledgement":
            name_or_number(SmeAcknowledgement::NAMES, asked.acknowledgement() as u32),
        "intermediate_notification": asked.wants_intermediate(),
    });
    if let (reserved @ 1.., Some(object)) = (asked.0 >> 5, object.as_object_mut()) {
        object.insert("reserved_bits".to_owned(), reserved.into());
    }
    object
}

fn read_registered_delivery(symbol: &Value) -> Result<u32, String> {
    let mut members = Members::new(symbol)?;
    let receipt = members.named("receipt", ReceiptRequest::NAMES, 3)?;
    let sme = members.named("sme_acknowledgement", SmeAcknowledgement::NAMES, 3)?;
    let intermediate = u32::from(members.flag("intermediate_notification")?) << 4;
    let reserved = match members.has("reserved_bits") {
        true => members.named("reserved_bits", Names(&[]), 7)?,
        false => 0,
    };
    members.end()?;
    Ok(receipt | sme << 2 | intermediate | reserved << 5)
}
