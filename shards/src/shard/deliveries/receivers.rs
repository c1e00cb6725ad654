//! Customers' binds that receive, as the deliveries see them. Part of the shard's machine.

use postrider_core::clock::Now;
use postrider_http::auth::CustomerIx;
use postrider_smpp::pdu::ShortMessage;
use postrider_smpp::session::SubmitRefused;

use crate::shard::Shard;

/// One connection of a customer.
pub(crate) type ConnIx = usize;

impl Shard {
    /// The receivers of a customer on this shard.
    pub(in crate::shard) fn receivers(&self, _customer: CustomerIx) -> u16 {
        0
    }

    /// A receiver of a customer on this shard whose window has room.
    pub(in crate::shard) fn local_receiver(&self, _customer: CustomerIx) -> Option<ConnIx> {
        None
    }

    /// Puts a deliver_sm on a connection; the answer comes to `delivery_answered`.
    pub(in crate::shard) fn deliver_on(
        &mut self,
        _now: Now,
        _conn: ConnIx,
        _token: u64,
        _message: &ShortMessage<'_>,
    ) -> Result<(), SubmitRefused> {
        Err(SubmitRefused::NotBound)
    }
}
