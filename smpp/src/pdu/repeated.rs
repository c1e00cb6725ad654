//! The two repeated structures of SMPP: the destinations of submit_multi and the failed ones of its response
//! (3.4 section 4.5). Checked once, then read again from the same octets. Pure, lives nowhere.

use super::EncodeError;
use crate::status::CommandStatus;
use crate::wire::{Reader, put_text};

/// A checked run of repeated structures, still in wire form.
#[derive(Copy, Clone, Default)]
pub(crate) struct RawList<'a> {
    pub(crate) count: u32,
    pub(crate) octets: &'a [u8],
}

impl core::fmt::Debug for RawList<'_> {
    /// The count alone: addresses are personal data.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} entries", self.count)
    }
}

pub(crate) fn read_list<'a, T>(
    reader: &mut Reader<'a>,
    count: u32,
    read: impl Fn(&mut Reader<'a>) -> Result<T, CommandStatus>,
) -> Result<RawList<'a>, CommandStatus> {
    let before = *reader;
    for _ in 0..count {
        read(reader)?;
    }
    Ok(RawList { count, octets: before.until(reader) })
}

/// One destination of `submit_multi` (3.4 section 4.5.1.1).
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum DestAddress<'a> {
    /// `dest_flag` 1.
    Sme {
        /// Type of number.
        ton: u8,
        /// Numbering plan.
        npi: u8,
        /// The address, at most 20 octets.
        address: &'a [u8],
    },
    /// `dest_flag` 2.
    DistributionList {
        /// Its name, at most 20 octets.
        name: &'a [u8],
    },
}

impl<'a> DestAddress<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, CommandStatus> {
        match reader.int1()? {
            1 => Ok(Self::Sme {
                ton: reader.int1()?,
                npi: reader.int1()?,
                address: reader.text(21, CommandStatus::ESME_RINVDSTADR)?,
            }),
            2 => Ok(Self::DistributionList {
                name: reader.text(21, CommandStatus::ESME_RINVDLNAME)?,
            }),
            _ => Err(CommandStatus::ESME_RINVDESTFLAG),
        }
    }

    /// Appends the wire form.
    ///
    /// # Errors
    /// An address or name of more than 20 octets, or with a NUL in it.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match *self {
            Self::Sme { ton, npi, address } => {
                out.extend_from_slice(&[1, ton, npi]);
                put_text(out, "destination_addr", address, 21)
            }
            Self::DistributionList { name } => {
                out.push(2);
                put_text(out, "dl_name", name, 21)
            }
        }
    }
}

/// The destinations of a `submit_multi`.
#[derive(Copy, Clone, Debug, Default)]
pub struct DestAddresses<'a> {
    pub(crate) list: RawList<'a>,
}

impl<'a> DestAddresses<'a> {
    /// Reads `count` destinations from `octets`, which must hold nothing else.
    pub fn new(count: u8, octets: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(octets, true);
        let list = read_list(&mut reader, u32::from(count), DestAddress::read).ok()?;
        reader.rest().is_empty().then_some(Self { list })
    }

    /// Reads `count` destinations; none are refused, as are more than are there.
    pub(super) fn read(reader: &mut Reader<'a>, count: u8) -> Result<Self, CommandStatus> {
        if count == 0 {
            return Err(CommandStatus::ESME_RINVNUMDESTS);
        }
        Ok(Self { list: read_list(reader, u32::from(count), DestAddress::read)? })
    }

    /// How many there are.
    pub const fn count(&self) -> u32 {
        self.list.count
    }

    /// The destinations in wire order.
    pub fn iter(&self) -> impl Iterator<Item = DestAddress<'a>> {
        let mut reader = Reader::new(self.list.octets, false);
        (0..self.list.count).map_while(move |_| DestAddress::read(&mut reader).ok())
    }
}

/// One failed destination of `submit_multi_resp` (3.4 section 4.5.2.1).
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct UnsuccessSme<'a> {
    /// Type of number.
    pub ton: u8,
    /// Numbering plan.
    pub npi: u8,
    /// The address.
    pub address: &'a [u8],
    /// Why it failed.
    pub status: CommandStatus,
}

impl<'a> UnsuccessSme<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, CommandStatus> {
        Ok(Self {
            ton: reader.int1()?,
            npi: reader.int1()?,
            address: reader.text(21, CommandStatus::ESME_RINVDSTADR)?,
            status: CommandStatus(reader.int4()?),
        })
    }

    /// Appends the wire form.
    ///
    /// # Errors
    /// An address of more than 20 octets, or with a NUL in it.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(&[self.ton, self.npi]);
        put_text(out, "destination_addr", self.address, 21)?;
        out.extend_from_slice(&self.status.0.to_be_bytes());
        Ok(())
    }
}

/// The failed destinations of a `submit_multi_resp`.
#[derive(Copy, Clone, Debug, Default)]
pub struct UnsuccessSmes<'a> {
    pub(crate) list: RawList<'a>,
}

impl<'a> UnsuccessSmes<'a> {
    /// Reads `count` failed destinations from `octets`, which must hold nothing else.
    pub fn new(count: u8, octets: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(octets, false);
        let list = read_list(&mut reader, u32::from(count), UnsuccessSme::read).ok()?;
        reader.rest().is_empty().then_some(Self { list })
    }

    /// Reads as many of `count` failed destinations as are there whole.
    pub(super) fn read_whole(reader: &mut Reader<'a>, count: u8) -> Self {
        let before = *reader;
        let mut whole = 0;
        while whole < u32::from(count) {
            let mut ahead = *reader;
            if UnsuccessSme::read(&mut ahead).is_err() {
                break;
            }
            *reader = ahead;
            whole += 1;
        }
        Self { list: RawList { count: whole, octets: before.until(reader) } }
    }

    /// How many there are.
    pub const fn count(&self) -> u32 {
        self.list.count
    }

    /// The failed destinations in wire order.
    pub fn iter(&self) -> impl Iterator<Item = UnsuccessSme<'a>> {
        let mut reader = Reader::new(self.list.octets, false);
        (0..self.list.count).map_while(move |_| UnsuccessSme::read(&mut reader).ok())
    }
}
