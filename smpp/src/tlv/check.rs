//! The parameters of a PDU against the table: what a receiver passes over, a sender does not write. Pure,
//! lives nowhere.

use super::table::{Rows, TLV_TABLE, row, tag_name};
use super::{Tlv, Tlvs, tag};
use crate::command::CommandId;
use crate::status::CommandStatus;

/// What is wrong with the parameters of a PDU. Unknown and vendor tags are never wrong.
#[derive(Copy, Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TlvFault {
    /// The version has no such parameter.
    #[error("{0} is not in the session's version")]
    Version(&'static str),
    /// The command has no such parameter in this version. A receiver passes over it.
    #[error("{0} does not belong to this PDU")]
    Misplaced(&'static str),
    /// The value's length is out of bounds.
    #[error("{0} has a wrong length")]
    Length(&'static str),
    /// The value cannot be read.
    #[error("{0} has a malformed value")]
    Value(&'static str),
    /// It is there twice and may not be.
    #[error("{0} is repeated")]
    Repeated(&'static str),
    /// The command must have it.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// It has no meaning without the other one.
    #[error("{0} without {1}")]
    Alone(&'static str, &'static str),
    /// Some of the three parameters of segmentation are there, not all, or the number of the segment does not
    /// lie within their total.
    #[error("sar_msg_ref_num, sar_total_segments and sar_segment_seqnum do not fit together")]
    Segmentation,
    /// A parameter says again what a user data header says, which 3.4 section 5.2.12 forbids.
    #[error("{0} together with a user data header")]
    BesideUdh(&'static str),
}

impl TlvFault {
    /// The status that refuses such a PDU (5.0 section 4.7.6).
    pub const fn status(&self) -> CommandStatus {
        match self {
            Self::Version(_) | Self::Misplaced(_) | Self::Repeated(_) | Self::BesideUdh(_) => {
                CommandStatus::ESME_ROPTPARNOTALLWD
            }
            Self::Length(_) => CommandStatus::ESME_RINVPARLEN,
            Self::Value(_) | Self::Segmentation => CommandStatus::ESME_RINVOPTPARAMVAL,
            Self::Missing(_) | Self::Alone(..) => CommandStatus::ESME_RMISSINGOPTPARAM,
        }
    }
}

/// Parameters that must be accompanied by another one (5.0 sections 4.8.4.25 and 4.8.4.56).
pub static COMPANIONS: [(u16, u16); 2] =
    [(tag::SOURCE_NETWORK_ID, tag::SOURCE_NODE_ID), (tag::DEST_NETWORK_ID, tag::DEST_NODE_ID)];

const SEGMENTATION: [u16; 3] =
    [tag::SAR_MSG_REF_NUM, tag::SAR_TOTAL_SEGMENTS, tag::SAR_SEGMENT_SEQNUM];

impl<'a> Tlvs<'a> {
    /// What is wrong with these parameters in a `command` of a session of interface `version`, in wire order,
    /// then what is missing.
    pub fn faults(
        self,
        command: CommandId,
        version: u8,
    ) -> impl Iterator<Item = TlvFault> + use<'a> {
        let mut all = Rows::default();
        for at in self.filter_map(|tlv| row(tlv.tag)) {
            all.insert(at);
        }
        let mut seen = Rows::default();
        self.filter_map(move |tlv| fault(tlv, command, version, &mut seen))
            .chain(missing(all, command))
    }

    /// The rows that are there, or the first fault that a sender must not make. A misplaced parameter is none:
    /// receivers pass over it, and some carriers ask for one.
    fn sendable(self, command: CommandId, version: u8) -> Result<Rows, TlvFault> {
        let mut seen = Rows::default();
        for tlv in self {
            match fault(tlv, command, version, &mut seen) {
                None | Some(TlvFault::Misplaced(_)) => {}
                Some(fault) => return Err(fault),
            }
        }
        missing(seen, command).next().map_or(Ok(seen), Err)
    }

    /// Checks the parameters of any PDU for sending.
    pub(crate) fn check(self, command: CommandId, version: u8) -> Result<(), TlvFault> {
        self.sendable(command, version).map(|_| ())
    }

    /// Checks the parameters of a message for sending: each by itself, those of segmentation together, and none
    /// that says again what a user data header says.
    pub(crate) fn check_message(
        self,
        command: CommandId,
        version: u8,
        has_udh: bool,
    ) -> Result<(), TlvFault> {
        const SAR: Rows = Rows::of(&SEGMENTATION);
        const PORTS: Rows = Rows::of(&[tag::SOURCE_PORT, tag::DEST_PORT]);
        let rows = self.sendable(command, version)?;
        if has_udh && (rows.meets(SAR) || rows.meets(PORTS)) {
            let [a, b, c] = SEGMENTATION;
            let said_twice = [a, b, c, tag::SOURCE_PORT, tag::DEST_PORT];
            let found = { self }.find(|tlv| said_twice.contains(&tlv.tag));
            let name = found.and_then(|tlv| tag_name(tlv.tag)).unwrap_or_default();
            return Err(TlvFault::BesideUdh(name));
        }
        if !rows.meets(SAR) {
            return Ok(());
        }
        match SEGMENTATION.map(|tag| self.get_int(tag)) {
            [Some(_), Some(total), Some(number)] if (1..=total).contains(&number) => Ok(()),
            _ => Err(TlvFault::Segmentation),
        }
    }
}

/// What is wrong with one parameter behind those `seen`.
fn fault(tlv: Tlv<'_>, command: CommandId, version: u8, seen: &mut Rows) -> Option<TlvFault> {
    let at = row(tlv.tag)?;
    let spec = TLV_TABLE.get(at)?;
    let length = u16::try_from(tlv.value.len()).unwrap_or(u16::MAX);
    if !seen.insert(at) && !spec.repeats {
        Some(TlvFault::Repeated(spec.name))
    } else if spec.since > version {
        Some(TlvFault::Version(spec.name))
    } else if !spec.lengths(version).contains(&length) {
        Some(TlvFault::Length(spec.name))
    } else if spec.read(tlv.value).is_none() {
        Some(TlvFault::Value(spec.name))
    } else if !spec.belongs(command, version) {
        Some(TlvFault::Misplaced(spec.name))
    } else {
        None
    }
}

/// What a PDU with these rows lacks.
fn missing(rows: Rows, command: CommandId) -> impl Iterator<Item = TlvFault> {
    const IN_COMPANY: Rows = Rows::of(&[tag::SOURCE_NETWORK_ID, tag::DEST_NETWORK_ID]);
    // Only cell broadcast has mandatory ones.
    let table = if command.needs_5_0() { TLV_TABLE } else { &[] };
    let mandatory = table.iter().enumerate().filter_map(move |(at, spec)| {
        let missing = spec.is_mandatory(command) && !rows.has(at);
        missing.then_some(TlvFault::Missing(spec.name))
    });
    let companions: &[(u16, u16)] = if rows.meets(IN_COMPANY) { &COMPANIONS } else { &[] };
    let alone = companions.iter().filter_map(move |(tag, companion)| {
        let here = |tag| row(tag).is_some_and(|at| rows.has(at));
        let name = |tag| tag_name(tag).unwrap_or_default();
        (here(*tag) && !here(*companion)).then(|| TlvFault::Alone(name(*tag), name(*companion)))
    });
    mandatory.chain(alone)
}
