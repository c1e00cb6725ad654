//! PDUs octet by octet, apart from the product's own codec. Test code, pure.

pub(crate) const NACK: u32 = 0x8000_0000;
pub(crate) const SUBMIT: u32 = 4;
pub(crate) const SUBMIT_RESP: u32 = 0x8000_0004;
pub(crate) const DELIVER: u32 = 5;
pub(crate) const DELIVER_RESP: u32 = 0x8000_0005;
pub(crate) const UNBIND: u32 = 6;
pub(crate) const UNBIND_RESP: u32 = 0x8000_0006;
pub(crate) const BIND_TRX: u32 = 9;
pub(crate) const BIND_TRX_RESP: u32 = 0x8000_0009;
pub(crate) const ENQUIRE: u32 = 0x15;
pub(crate) const ENQUIRE_RESP: u32 = 0x8000_0015;
pub(crate) const DATA: u32 = 0x103;
pub(crate) const SUBMIT_MULTI_RESP: u32 = 0x8000_0021;
/// ESME_RX_R_APPN.
pub(crate) const RX_R_APPN: u32 = 0x66;

/// A whole PDU: what came, or what is to be sent.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pdu {
    pub(crate) command: u32,
    pub(crate) status: u32,
    pub(crate) sequence: u32,
    pub(crate) body: Vec<u8>,
}

impl Pdu {
    pub(crate) fn new(command: u32, status: u32, sequence: u32, body: &[u8]) -> Self {
        Pdu { command, status, sequence, body: body.to_vec() }
    }

    /// Reads the PDU at the front of `octets`, when it is whole.
    pub(crate) fn read(octets: &[u8]) -> Option<(Self, &[u8])> {
        let word =
            |at: usize| Some(u32::from_be_bytes(octets.get(at..at + 4)?.try_into().unwrap()));
        let length = word(0)? as usize;
        assert!((16..=100_000).contains(&length), "the gateway sent no PDU: {octets:?}");
        let body = octets.get(16..length)?;
        Some((Pdu::new(word(4)?, word(8)?, word(12)?, body), &octets[length..]))
    }

    /// All PDUs of these octets, which are whole.
    pub(crate) fn read_all(octets: &[u8]) -> Vec<Pdu> {
        let mut rest = octets;
        let mut pdus = Vec::new();
        while let Some((pdu, after)) = Pdu::read(rest) {
            pdus.push(pdu);
            rest = after;
        }
        assert!(rest.is_empty(), "half a PDU was written");
        pdus
    }

    pub(crate) fn octets(&self) -> Vec<u8> {
        let length = (16 + self.body.len()) as u32;
        let head = [length, self.command, self.status, self.sequence];
        let mut octets: Vec<u8> = head.iter().flat_map(|word| word.to_be_bytes()).collect();
        octets.extend_from_slice(&self.body);
        octets
    }

    /// Command, status and sequence number.
    pub(crate) fn head(&self) -> (u32, u32, u32) {
        (self.command, self.status, self.sequence)
    }

    /// The fields of a deliver_sm.
    pub(crate) fn delivered(&self) -> Delivered {
        assert_eq!(self.command, DELIVER);
        let (_, rest) = cstring(&self.body);
        let (source, rest) = address(rest);
        let (dest, rest) = address(rest);
        let (esm_class, protocol_id) = (rest[0], rest[1]);
        let (_, rest) = cstring(&rest[3..]);
        let (_, rest) = cstring(rest);
        let data_coding = rest[2];
        let length = usize::from(rest[4]);
        let (text, mut area) = rest[5..].split_at(length);
        let mut tlvs = Vec::new();
        while let [a, b, c, d, behind @ ..] = area {
            let (value, rest) = behind.split_at(usize::from(u16::from_be_bytes([*c, *d])));
            tlvs.push((u16::from_be_bytes([*a, *b]), value.to_vec()));
            area = rest;
        }
        let text = text.to_vec();
        Delivered { source, dest, esm_class, protocol_id, data_coding, text, tlvs }
    }

    /// The answer to a request of this number and command, without a body or with an empty id.
    pub(crate) fn answer(&self, status: u32) -> Pdu {
        let body: &[u8] = if self.command == DELIVER { b"\0" } else { b"" };
        Pdu::new(self.command | NACK, status, self.sequence, body)
    }

    /// The destination of a submit_sm.
    pub(crate) fn destination(&self) -> String {
        assert_eq!(self.command, SUBMIT);
        let (_, rest) = cstring(&self.body);
        let (_, rest) = cstring(&rest[2..]);
        String::from_utf8(cstring(&rest[2..]).0.to_vec()).unwrap()
    }
}

impl std::fmt::Debug for Pdu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Pdu { command, status, sequence, body } = self;
        write!(f, "({command:#x}, {status:#x}, {sequence}, {})", body.escape_ascii())
    }
}

/// What a deliver_sm says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivered {
    pub(crate) source: (u8, u8, String),
    pub(crate) dest: (u8, u8, String),
    pub(crate) esm_class: u8,
    pub(crate) protocol_id: u8,
    pub(crate) data_coding: u8,
    pub(crate) text: Vec<u8>,
    pub(crate) tlvs: Vec<(u16, Vec<u8>)>,
}

impl Delivered {
    /// The value of a parameter.
    pub(crate) fn tlv(&self, tag: u16) -> Option<&[u8]> {
        self.tlvs.iter().find(|(own, _)| *own == tag).map(|(_, value)| &**value)
    }

    /// The word of a receipt's text after `key:`.
    pub(crate) fn word(&self, key: &str) -> String {
        let text = String::from_utf8(self.text.clone()).unwrap();
        let mut words = text.split(' ');
        words.find_map(|word| word.strip_prefix(key)).unwrap_or_default().to_owned()
    }
}

fn address(octets: &[u8]) -> ((u8, u8, String), &[u8]) {
    let (digits, rest) = cstring(&octets[2..]);
    ((octets[0], octets[1], String::from_utf8(digits.to_vec()).unwrap()), rest)
}

fn cstring(octets: &[u8]) -> (&[u8], &[u8]) {
    let end = octets.iter().position(|octet| *octet == 0).unwrap();
    (&octets[..end], &octets[end + 1..])
}

/// submit_sm_resp with an id.
pub(crate) fn taken(sequence: u32, id: &str) -> Pdu {
    Pdu::new(SUBMIT_RESP, 0, sequence, &[id.as_bytes(), b"\0"].concat())
}

/// What a deliver_sm is made from.
pub(crate) struct Deliver<'a> {
    pub(crate) sequence: u32,
    pub(crate) source: &'a str,
    pub(crate) dest: &'a str,
    pub(crate) esm_class: u8,
    pub(crate) data_coding: u8,
    pub(crate) text: &'a [u8],
    pub(crate) tlvs: &'a [u8],
}

impl Deliver<'_> {
    pub(crate) fn pdu(&self) -> Pdu {
        let mut body = vec![0, 1, 1];
        body.extend_from_slice(self.source.as_bytes());
        body.extend_from_slice(b"\0\x05\0");
        body.extend_from_slice(self.dest.as_bytes());
        body.push(0);
        body.extend_from_slice(&[self.esm_class, 0, 0, 0, 0, 0, 0, self.data_coding, 0]);
        body.push(self.text.len().try_into().unwrap());
        body.extend_from_slice(self.text);
        body.extend_from_slice(self.tlvs);
        Pdu::new(DELIVER, 0, self.sequence, &body)
    }
}

impl Default for Deliver<'_> {
    fn default() -> Self {
        let source = "447700900123";
        let dest = "Postrider";
        Deliver { sequence: 1, source, dest, esm_class: 0, data_coding: 0, text: b"", tlvs: &[] }
    }
}

/// The text of a receipt as in appendix B.
pub(crate) fn receipt_text(id: &str, stat: &str) -> String {
    format!(
        "id:{id} sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:{stat} \
         err:000 text:hello"
    )
}

/// A receipt in the text of appendix B.
pub(crate) fn receipt(sequence: u32, handset: &str, id: &str, stat: &str) -> Pdu {
    let text = receipt_text(id, stat);
    let text = text.as_bytes();
    Deliver { sequence, source: handset, esm_class: 4, text, ..Deliver::default() }.pdu()
}

/// A message from a handset.
pub(crate) fn from_handset(sequence: u32, handset: &str) -> Pdu {
    Deliver { sequence, source: handset, text: b"STOP", ..Deliver::default() }.pdu()
}

/// The octets of a hexadecimal text.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

pub(crate) fn tlv(tag: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap();
    [&tag.to_be_bytes(), &length.to_be_bytes(), value].concat()
}
