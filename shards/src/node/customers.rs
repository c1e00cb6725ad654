//! The driver of customers' connections: carries their octets, decides nothing. Part of the shard's
//! node.

use std::net::SocketAddr;
use std::rc::Rc;

use postrider_core::limits;

use super::Node;
use crate::rt::{self, Link, Outbox};
use crate::shard::ConnIx;
use crate::stats::Counter;

impl Node {
    /// Carries a customer's octets until the connection ends; plain or TLS is the stream's affair.
    pub async fn serve_customer(self: Rc<Self>, stream: rt::Stream, peer: SocketAddr) {
        let conn = self.with(|shard, now| shard.handle_customer_connected(now, peer.ip()));
        let Some(conn) = conn else { return };
        let outbox = Outbox::new();
        self.customers.set(conn, Some(Rc::clone(&outbox)));
        let node = Rc::clone(&self);
        let on_bytes = move |octets: &[u8]| {
            node.with(|shard, now| shard.handle_customer_bytes(now, conn, octets));
            true
        };
        let end = Link::run(stream, on_bytes, outbox).await;
        self.note_end(conn, end);
        // From here on the place may be another connection's.
        self.customers.set(conn, None);
        self.with(|shard, now| shard.handle_customer_closed(now, conn));
    }

    fn note_end(&self, conn: ConnIx, end: rt::LinkEnd) {
        let mut shard = self.shard.borrow_mut();
        let reason = shard.take_customer_close_reason(conn).map(tracing::field::display);
        let (id, customer) = (shard.id().0, shard.customer_of(conn));
        tracing::info!(shard = id, customer, conn, %end, reason, "customer's connection ended");
    }

    pub(super) fn flush_customer(&self, conn: ConnIx) {
        let Some(outbox) = self.customers.get(conn) else { return };
        outbox.push_with(|out| self.shard.borrow_mut().take_customer_output(conn, out));
        if outbox.len() > limits::CUSTOMER_OUTPUT_MAX {
            // It sends and does not read.
            self.stats.inc(Counter::CustomerConnectionsOverrun);
            outbox.abort();
        }
    }

    /// Sends what is left and closes, by force when the peer does not take it.
    pub(super) fn close_customer(&self, conn: ConnIx) {
        let Some(outbox) = self.customers.get(conn) else { return };
        outbox.push_with(|out| self.shard.borrow_mut().take_customer_output(conn, out));
        outbox.close_after_flush();
        rt::spawn(async move {
            rt::sleep(limits::CUSTOMER_CLOSE_LIMIT).await;
            outbox.abort();
        });
    }
}
