//! The parameters of a PDU against the table: what a receiver passes over, a sender does not write. Pure,
//! lives nowhere.

use super::table::{TLV_TABLE, TlvSpec, row, tag_name};
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

/// Parameters that a user data header takes the place of.
const INSTEAD_OF_UDH: [u16; 5] = [
    tag::SOURCE_PORT,
    tag::DEST_PORT,
    tag::SAR_MSG_REF_NUM,
    tag::SAR_TOTAL_SEGMENTS,
    tag::SAR_SEGMENT_SEQNUM,
];

impl<'a> Tlvs<'a> {
    /// What is wrong with these parameters in a `command` of a session of interface `version`, in wire order,
    /// then what is missing.
    pub fn faults(
        self,
        command: CommandId,
        version: u8,
    ) -> impl Iterator<Item = TlvFault> + use<'a> {
        // The table has fewer rows than the set has bits; a test holds it to that.
        let mut seen = 0_u64;
        let mut present = 0_u64;
        for at in self.filter_map(|tlv| row(tlv.tag)) {
            present |= 1 << at;
        }
        let wrong = self.filter_map(move |tlv| {
            let at = row(tlv.tag)?;
            let spec = TLV_TABLE.get(at)?;
            let again = seen & 1 << at != 0;
            seen |= 1 << at;
            if again && !spec.repeats {
                return Some(TlvFault::Repeated(spec.name));
            }
            spec.fault(tlv, command, version)
        });
        let missing = (0..).zip(TLV_TABLE).filter_map(move |(at, spec)| {
            let missing = spec.is_mandatory(command) && present & 1_u64 << at == 0;
            missing.then_some(TlvFault::Missing(spec.name))
        });
        let alone = COMPANIONS.into_iter().filter_map(move |(tag, companion)| {
            let here = |tag| row(tag).filter(|at| present & 1 << at != 0).is_some();
            let name = |tag| tag_name(tag).unwrap_or_default();
            (here(tag) && !here(companion)).then(|| TlvFault::Alone(name(tag), name(companion)))
        });
        wrong.chain(missing).chain(alone)
    }

    /// The first fault that a sender must not make. A misplaced parameter is none: receivers pass over it, and
    /// some carriers ask for one.
    pub(crate) fn check(self, command: CommandId, version: u8) -> Result<(), TlvFault> {
        let mut faults = self.faults(command, version);
        faults.find(|fault| !matches!(fault, TlvFault::Misplaced(_))).map_or(Ok(()), Err)
    }
}

impl TlvSpec {
    /// What is wrong with one parameter.
    fn fault(&self, tlv: Tlv<'_>, command: CommandId, version: u8) -> Option<TlvFault> {
        let length = u16::try_from(tlv.value.len()).unwrap_or(u16::MAX);
        if self.since > version {
            Some(TlvFault::Version(self.name))
        } else if !self.lengths(version).contains(&length) {
            Some(TlvFault::Length(self.name))
        } else if tlv.typed().is_none() {
            Some(TlvFault::Value(self.name))
        } else if !self.belongs(command, version) {
            Some(TlvFault::Misplaced(self.name))
        } else {
            None
        }
    }
}

/// Checks the parameters of a message for sending: each by itself, those of segmentation together, and none
/// that says again what a user data header says.
pub(crate) fn check_message(
    tlvs: Tlvs<'_>,
    command: CommandId,
    version: u8,
    has_udh: bool,
) -> Result<(), TlvFault> {
    if tlvs.as_bytes().is_empty() {
        return Ok(());
    }
    tlvs.check(command, version)?;
    if has_udh && let Some(tlv) = { tlvs }.find(|tlv| INSTEAD_OF_UDH.contains(&tlv.tag)) {
        return Err(TlvFault::BesideUdh(tag_name(tlv.tag).unwrap_or_default()));
    }
    let numbers = [tag::SAR_MSG_REF_NUM, tag::SAR_TOTAL_SEGMENTS, tag::SAR_SEGMENT_SEQNUM]
        .map(|tag| tlvs.get_int(tag));
    match numbers {
        [None, None, None] => Ok(()),
        [Some(_), Some(total), Some(number)] if (1..=total).contains(&number) => Ok(()),
        _ => Err(TlvFault::Segmentation),
    }
}
