//! What a customer writes, octet by octet, and how its answers are read. Test code, pure.

use super::pdu::{self, Pdu};

/// A bind request; the command says which.
pub(crate) fn bind(command: u32, sequence: u32, id: &str, password: &str) -> Pdu {
    let body = format!("{id}\0{password}\0\0\x34\0\0\0");
    Pdu::new(command, 0, sequence, body.as_bytes())
}

/// What a submit_sm is made from.
#[derive(Clone)]
pub(crate) struct Submit<'a> {
    pub(crate) sequence: u32,
    pub(crate) service_type: &'a str,
    pub(crate) source: (u8, u8, &'a str),
    pub(crate) dest: (u8, u8, &'a str),
    pub(crate) esm_class: u8,
    pub(crate) protocol_id: u8,
    pub(crate) priority: u8,
    pub(crate) schedule: &'a str,
    pub(crate) validity: &'a str,
    pub(crate) registered: u8,
    pub(crate) replace: u8,
    pub(crate) data_coding: u8,
    pub(crate) default_message: u8,
    pub(crate) text: &'a [u8],
    pub(crate) tlvs: Vec<u8>,
}

impl Default for Submit<'_> {
    fn default() -> Self {
        Submit {
            sequence: 7,
            service_type: "",
            source: (5, 0, "Acme"),
            dest: (1, 1, "447700900123"),
            esm_class: 0,
            protocol_id: 0,
            priority: 0,
            schedule: "",
            validity: "",
            registered: 0,
            replace: 0,
            data_coding: 0,
            default_message: 0,
            text: b"hello",
            tlvs: Vec::new(),
        }
    }
}

fn put(body: &mut Vec<u8>, text: &str) {
    body.extend_from_slice(text.as_bytes());
    body.push(0);
}

fn put_address(body: &mut Vec<u8>, (ton, npi, address): (u8, u8, &str)) {
    body.extend_from_slice(&[ton, npi]);
    put(body, address);
}

impl Submit<'_> {
    /// As submit_sm.
    pub(crate) fn pdu(&self) -> Pdu {
        let mut body = Vec::new();
        put(&mut body, self.service_type);
        put_address(&mut body, self.source);
        put_address(&mut body, self.dest);
        self.rest(&mut body);
        Pdu::new(pdu::SUBMIT, 0, self.sequence, &body)
    }

    fn rest(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(&[self.esm_class, self.protocol_id, self.priority]);
        put(body, self.schedule);
        put(body, self.validity);
        body.extend_from_slice(&[self.registered, self.replace, self.data_coding]);
        body.extend_from_slice(&[self.default_message, self.text.len().try_into().unwrap()]);
        body.extend_from_slice(self.text);
        body.extend_from_slice(&self.tlvs);
    }

    /// As submit_multi to these destinations, each with its flag.
    pub(crate) fn multi(&self, destinations: &[(u8, u8, &str)]) -> Pdu {
        let mut body = Vec::new();
        put(&mut body, self.service_type);
        put_address(&mut body, self.source);
        body.push(destinations.len().try_into().unwrap());
        for destination in destinations {
            body.push(1);
            put_address(&mut body, *destination);
        }
        self.rest(&mut body);
        Pdu::new(0x21, 0, self.sequence, &body)
    }

    /// As data_sm, the text in message_payload.
    pub(crate) fn data(&self) -> Pdu {
        let mut body = Vec::new();
        put(&mut body, self.service_type);
        put_address(&mut body, self.source);
        put_address(&mut body, self.dest);
        body.extend_from_slice(&[self.esm_class, self.registered, self.data_coding]);
        body.extend_from_slice(&pdu::tlv(0x0424, self.text));
        body.extend_from_slice(&self.tlvs);
        Pdu::new(0x103, 0, self.sequence, &body)
    }
}

/// The message_id of an answer.
pub(crate) fn id_of(answer: &Pdu) -> String {
    let end = answer.body.iter().position(|octet| *octet == 0).expect("a message_id");
    String::from_utf8(answer.body[..end].to_vec()).unwrap()
}

/// The short_message of a submit_sm.
pub(crate) fn short_message(pdu: &Pdu) -> Vec<u8> {
    let mut rest = pdu.body.as_slice();
    let mut skip = |octets: usize, text: bool| {
        rest = &rest[octets..];
        if text {
            let end = rest.iter().position(|octet| *octet == 0).unwrap();
            rest = &rest[end + 1..];
        }
    };
    // service_type, both addresses, esm_class to priority_flag, both times, the last four flags.
    for (octets, text) in [(0, true), (2, true), (2, true), (3, true), (0, true), (4, false)] {
        skip(octets, text);
    }
    rest[1..1 + usize::from(rest[0])].to_vec()
}

/// What query_sm, cancel_sm and replace_sm are made from.
#[derive(Clone)]
pub(crate) struct Operation<'a> {
    pub(crate) sequence: u32,
    pub(crate) service_type: &'a str,
    pub(crate) id: &'a str,
    pub(crate) source: (u8, u8, &'a str),
    pub(crate) dest: (u8, u8, &'a str),
    pub(crate) schedule: &'a str,
    pub(crate) validity: &'a str,
    pub(crate) registered: u8,
    pub(crate) default_message: u8,
    pub(crate) text: &'a [u8],
}

impl Default for Operation<'_> {
    fn default() -> Self {
        Operation {
            sequence: 21,
            service_type: "",
            id: "",
            source: (5, 0, "Acme"),
            dest: (0, 0, ""),
            schedule: "",
            validity: "",
            registered: 0,
            default_message: 0,
            text: b"instead",
        }
    }
}

impl<'a> Operation<'a> {
    /// About the message with this id.
    pub(crate) fn on(id: &'a str) -> Self {
        Operation { id, ..Operation::default() }
    }

    pub(crate) fn query(&self) -> Pdu {
        let mut body = Vec::new();
        put(&mut body, self.id);
        put_address(&mut body, self.source);
        Pdu::new(3, 0, self.sequence, &body)
    }

    pub(crate) fn cancel(&self) -> Pdu {
        let mut body = Vec::new();
        put(&mut body, self.service_type);
        put(&mut body, self.id);
        put_address(&mut body, self.source);
        put_address(&mut body, self.dest);
        Pdu::new(8, 0, self.sequence, &body)
    }

    pub(crate) fn replace(&self) -> Pdu {
        let mut body = Vec::new();
        put(&mut body, self.id);
        put_address(&mut body, self.source);
        put(&mut body, self.schedule);
        put(&mut body, self.validity);
        let length = u8::try_from(self.text.len()).unwrap();
        body.extend_from_slice(&[self.registered, self.default_message, length]);
        body.extend_from_slice(self.text);
        Pdu::new(7, 0, self.sequence, &body)
    }
}

/// The first `count` C-octet strings of a body, and what follows them.
#[track_caller]
pub(crate) fn cstrings(body: &[u8], count: usize) -> (Vec<String>, Vec<u8>) {
    let mut rest = body;
    let mut texts = Vec::new();
    for _ in 0..count {
        let end = rest.iter().position(|octet| *octet == 0).unwrap();
        texts.push(String::from_utf8(rest[..end].to_vec()).unwrap());
        rest = &rest[end + 1..];
    }
    (texts, rest.to_vec())
}
