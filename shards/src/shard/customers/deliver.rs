//! Customers' binds that receive: which of them has room, and what is put on it. Part of the
//! shard's machine.

use postrider_core::clock::Now;
use postrider_http::auth::CustomerIx;
use postrider_smpp::pdu::ShortMessage;
use postrider_smpp::session::SubmitRefused;

use super::ConnIx;
use crate::shard::Shard;

impl Shard {
    /// The receivers of a customer on this shard.
    pub(in crate::shard) fn receivers(&self, customer: CustomerIx) -> u16 {
        let count = self.customers.bound_of(customer).filter(|(_, held)| held.receives).count();
        u16::try_from(count).unwrap_or(u16::MAX)
    }

    /// A receiver of a customer on this shard whose window has room: the one with the most.
    pub(in crate::shard) fn local_receiver(&self, customer: CustomerIx) -> Option<ConnIx> {
        let bound = self.customers.bound_of(customer);
        let free = bound.map(|(conn, held)| (held.session.window_free(), conn));
        free.filter(|(room, _)| *room > 0).max_by_key(|(room, _)| *room).map(|(_, conn)| conn)
    }

    /// Puts a deliver_sm on a connection; the answer comes to `delivery_answered`.
    pub(in crate::shard) fn deliver_on(
        &mut self,
        now: Now,
        conn: ConnIx,
        token: u64,
        message: &ShortMessage<'_>,
    ) -> Result<(), SubmitRefused> {
        let held = self.customers.get_mut(conn).ok_or(SubmitRefused::NotBound)?;
        held.session.submit(now.mono, token, message)?;
        self.touch_customer(conn);
        Ok(())
    }

    /// What came of a deliver_sm; `None`: no answer came, and none will.
    pub(super) fn customer_answered(
        &mut self,
        now: Now,
        conn: ConnIx,
        token: u64,
        status: Option<u32>,
    ) {
        self.delivery_answered(now, token, status);
        if let Some(customer) = self.customers.get(conn).and_then(|held| held.account) {
            self.receiver_ready(now, customer);
        }
    }
}
