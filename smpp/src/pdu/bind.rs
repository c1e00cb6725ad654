//! The binds and outbind (3.4 sections 4.1 and 4.2). Pure, lives nowhere.

use super::{EncodeError, PduError};
use crate::layout::field_status;
use crate::status::CommandStatus;
use crate::wire::{Reader, put_text};

/// Longest password taken or sent, in octets with its NUL. The specification says 9; carriers issue longer.
pub const PASSWORD_MAX: usize = 65;

/// The fields of the three binds (3.4 section 4.1).
#[derive(Copy, Clone, Default, PartialEq, Eq)]
pub struct Bind<'a> {
    /// `system_id`, at most 15 octets.
    pub system_id: &'a [u8],
    /// `password`, at most 8 octets by the letter, [`PASSWORD_MAX`] - 1 in fact.
    pub password: &'a [u8],
    /// `system_type`, at most 12 octets.
    pub system_type: &'a [u8],
    /// `interface_version`.
    pub interface_version: u8,
    /// `addr_ton`.
    pub addr_ton: u8,
    /// `addr_npi`.
    pub addr_npi: u8,
    /// `address_range`, at most 40 octets.
    pub address_range: &'a [u8],
}

impl core::fmt::Debug for Bind<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Bind")
            .field("system_id", &self.system_id.escape_ascii().to_string())
            .field("password", &"[redacted]")
            .field("interface_version", &self.interface_version)
            .finish_non_exhaustive()
    }
}

/// The fields of outbind (3.4 section 4.1.7): a message centre that has something asks an ESME to bind.
#[derive(Copy, Clone, Default, PartialEq, Eq)]
pub struct Outbind<'a> {
    /// `system_id` of the message centre, at most 15 octets.
    pub system_id: &'a [u8],
    /// `password`, at most 8 octets by the letter, [`PASSWORD_MAX`] - 1 in fact.
    pub password: &'a [u8],
}

impl core::fmt::Debug for Outbind<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Outbind")
            .field("system_id", &self.system_id.escape_ascii().to_string())
            .field("password", &"[redacted]")
            .finish()
    }
}

impl<'a> Bind<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, PduError> {
        use CommandStatus as S;
        let mut r = Reader::new(body, true);
        Ok(Self {
            system_id: r.text(16, S::ESME_RINVSYSID)?,
            password: r.text(PASSWORD_MAX, S::ESME_RINVPASWD)?,
            system_type: r.text(13, S::ESME_RINVSYSTYP)?,
            interface_version: r.int1()?,
            addr_ton: r.int1()?,
            addr_npi: r.int1()?,
            address_range: r.text(41, field_status("address_range"))?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        put_text(out, "system_id", self.system_id, 16)?;
        put_text(out, "password", self.password, PASSWORD_MAX)?;
        put_text(out, "system_type", self.system_type, 13)?;
        out.extend_from_slice(&[self.interface_version, self.addr_ton, self.addr_npi]);
        put_text(out, "address_range", self.address_range, 41)
    }
}

impl<'a> Outbind<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, PduError> {
        let mut r = Reader::new(body, true);
        Ok(Self {
            system_id: r.text(16, CommandStatus::ESME_RINVSYSID)?,
            password: r.text(PASSWORD_MAX, CommandStatus::ESME_RINVPASWD)?,
        })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        put_text(out, "system_id", self.system_id, 16)?;
        put_text(out, "password", self.password, PASSWORD_MAX)
    }
}
