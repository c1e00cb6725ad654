//! Binding: who may, and how slowly those are told who may not. An unknown system_id, a wrong
//! password and a wrong address get the same answer after the same time. Part of the shard's machine.

use std::time::Duration;

use postrider_core::clock::Now;
use postrider_http::auth::CustomerIx;
use postrider_smpp::status::CommandStatus;

use super::accounts::{PasswordHash, is_allowed};
use super::{ConnIx, account};
use crate::shard::{Shard, Timer};
use crate::stats::Counter;

/// A bind that waits for our answer.
pub(super) struct Login {
    sequence: u32,
    system_id: Box<[u8]>,
    password: PasswordHash,
    step: Step,
}

/// Both are times at which a timer fires.
#[derive(Clone, Copy)]
enum Step {
    /// It is not looked at before: the address failed a short while ago.
    LookAt(Duration),
    /// It was refused, and that is said then.
    RefuseAt(Duration),
}

/// Why a bind is refused.
enum Refusal {
    /// Whoever it is, we do not say more.
    Credentials,
    /// The customer has as many binds as it may.
    TooMany,
}

impl Shard {
    /// A peer wants to bind.
    pub(super) fn bind_requested(
        &mut self,
        now: Now,
        conn: ConnIx,
        sequence: u32,
        system_id: Box<[u8]>,
        password: PasswordHash,
    ) {
        let Some(held) = self.customers.get_mut(conn) else { return };
        let step = Step::LookAt(now.mono);
        held.login = Some(Login { sequence, system_id, password, step });
        self.look_at_login(now, conn);
    }

    /// A login's time has come.
    pub(in crate::shard) fn login_due(&mut self, now: Now, conn: ConnIx) {
        let Some(held) = self.customers.get_mut(conn) else { return };
        let Some(login) = &held.login else { return };
        match login.step {
            Step::LookAt(at) if at <= now.mono => self.look_at_login(now, conn),
            Step::RefuseAt(at) if at <= now.mono => {
                held.session.answer_bind(login.sequence, CommandStatus::ESME_RINVPASWD.0);
                held.login = None;
                self.customer_events(now, conn);
            }
            // The timer of another bind that has come to this place.
            Step::LookAt(_) | Step::RefuseAt(_) => {}
        }
    }

    fn look_at_login(&mut self, now: Now, conn: ConnIx) {
        let Some(held) = self.customers.get(conn) else { return };
        let Some(login) = &held.login else { return };
        let peer = held.peer;
        let opens = self.customers.guard.opens(now.mono, peer);
        if opens > now.mono {
            self.wait_with_login(conn, Step::LookAt(opens), opens);
            return;
        }
        match self.judge(conn, login) {
            Ok(customer) => self.accept_bind(now, conn, customer),
            Err(Refusal::Credentials) => {
                self.stats.inc(Counter::CustomerLoginsFailed);
                let at = self.customers.guard.failed(now.mono, peer);
                self.wait_with_login(conn, Step::RefuseAt(at), at);
            }
            Err(Refusal::TooMany) => self.refuse_another_bind(now, conn),
        }
    }

    fn wait_with_login(&mut self, conn: ConnIx, step: Step, at: Duration) {
        if let Some(login) = self.customers.get_mut(conn).and_then(|held| held.login.as_mut()) {
            login.step = step;
            self.wheel.insert(at, Timer::Login(conn));
        }
    }

    /// Whose bind it is; one of that customer's binds is then taken.
    fn judge(&self, conn: ConnIx, login: &Login) -> Result<CustomerIx, Refusal> {
        let accounts = &self.shared.accounts;
        let customer = accounts.authenticate(&login.system_id, &login.password);
        let customer = customer.ok_or(Refusal::Credentials)?;
        let (_, smpp) = account(&self.shared, customer).ok_or(Refusal::Credentials)?;
        let peer = self.customers.get(conn).map(|held| held.peer);
        if !peer.is_some_and(|peer| is_allowed(smpp, peer)) {
            return Err(Refusal::Credentials);
        }
        if accounts.take_bind(customer, smpp.max_binds) {
            Ok(customer)
        } else {
            Err(Refusal::TooMany)
        }
    }

    fn accept_bind(&mut self, now: Now, conn: ConnIx, customer: CustomerIx) {
        let windows = account(&self.shared, customer).map(|(_, s)| (s.deliver_window, s.window));
        let Some(held) = self.customers.get_mut(conn) else { return };
        held.account = Some(customer);
        if let (Some(login), Some((window, inbound))) = (held.login.take(), windows) {
            held.session.set_windows(window, inbound);
            held.session.answer_bind(login.sequence, CommandStatus::ESME_ROK.0);
        }
        if !self.is_bound(conn) {
            self.customer_unbound(now, conn);
        }
        self.customer_events(now, conn);
    }

    /// ESME_RALYBND is the word that customers know for too many binds. Some (Kannel) take it for a
    /// bind that succeeded, so the connection is closed behind it.
    fn refuse_another_bind(&mut self, now: Now, conn: ConnIx) {
        self.stats.inc(Counter::CustomerBindsRefused);
        let Some(held) = self.customers.get_mut(conn) else { return };
        if let Some(login) = held.login.take() {
            held.session.answer_bind(login.sequence, CommandStatus::ESME_RALYBND.0);
            held.session.unbind(now.mono);
        }
        self.customer_events(now, conn);
    }
}
