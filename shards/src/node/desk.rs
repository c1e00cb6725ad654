//! What operators ask of the shard: from its desk to the machine, and the answers back. Part of the
//! shard's driver.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::oneshot::Sender;

use super::Node;
use crate::control::{ConfigOrder, Desk};
use crate::rt::Doorbell;
use crate::shard::ControlAnswer;

/// Requests of operators that have no answer yet.
#[derive(Default)]
pub(super) struct Asked {
    waiting: RefCell<HashMap<u64, Sender<ControlAnswer>, ahash::RandomState>>,
    next: Cell<u64>,
}

impl Node {
    /// Takes what comes to the desk, for as long as the process runs.
    pub async fn serve_desk(self: Rc<Self>, desk: Arc<Desk>, bell: Arc<Doorbell>) {
        loop {
            bell.wait(|| desk.has_work()).await;
            if let Some(order) = desk.take_config() {
                self.take_config(order);
            }
            while let Some(order) = desk.take() {
                let ticket = self.asked.next.get();
                self.asked.next.set(ticket + 1);
                self.asked.waiting.borrow_mut().insert(ticket, order.answer);
                self.with(|shard, now| shard.handle_control(now, ticket, order.request));
                self.chore.notify_one();
            }
        }
    }

    /// Goes by another configuration from now on.
    fn take_config(self: &Rc<Self>, order: ConfigOrder) {
        let ConfigOrder { shared, binds, carrier_tls, taken } = order;
        *self.carrier_tls.borrow_mut() = carrier_tls;
        *self.shared.borrow_mut() = Arc::clone(&shared);
        self.with(|shard, now| shard.handle_config(now, shared, &binds));
        self.outbind_ports.fit(self);
        // Whoever asked may have gone.
        taken.send(()).ok();
    }

    pub(super) fn controlled(&self, ticket: u64, answer: ControlAnswer) {
        if let Some(waiting) = self.asked.waiting.borrow_mut().remove(&ticket) {
            // Whoever asked may have gone.
            drop(waiting.send(answer));
        }
    }
}
