//! The shard's one wheel: which timers stand in it, and what each of them means. Part of the shard's
//! machine.

use postrider_core::clock::Now;
use postrider_core::limits;
use postrider_core::route::CarrierIx;

use super::customers::ConnIx;
use super::table::PartRef;
use super::{BindIx, Shard};

/// Named timers of the shard's one wheel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The session of a bind wants its `handle_timeout`.
    Session(BindIx),
    /// The session of a customer's connection wants its `handle_timeout`.
    Customer(ConnIx),
    /// A customer's bind may be looked at, or refused.
    Login(ConnIx),
    /// A message is due.
    Due(u64),
    /// The health of a bind is to be looked at.
    Health(BindIx),
    /// Connect again.
    Reconnect(BindIx),
    /// Binds that wait for their turn to connect may have it.
    Turn,
    /// A pause of the carrier is over, or its rate has room.
    Resume(CarrierIx),
    /// The lender of the carrier's rate is to be told what is new.
    Rate(CarrierIx),
    /// Credits for the carrier's binds on other shards are due to be given back, or answers to be told.
    Credit(CarrierIx),
    /// No bind of the carrier is to be trusted.
    Down(CarrierIx),
    /// A carrier that was removed may owe nothing more.
    Retired(CarrierIx),
    /// The validity of a message ends.
    Validity(u64),
    /// The next piece of an erasure may be done.
    Erasure,
    /// No receipt by validity plus grace.
    Grace(u64),
    /// A temporary refusal is over.
    Retry(u64, u8),
    /// A part of unknown outcome has waited long enough for a sign of it.
    Resend(u64, u8),
    /// Look again for the message of a parked receipt.
    Orphan(u64),
    /// Chores of the log that failed for want of space.
    Chores,
    /// The drain has lasted long enough.
    DrainLimit,
}

impl Shard {
    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Now) {
        for _ in 0..limits::TIMERS_PER_TURN {
            let Some(timer) = self.wheel.expire(now.mono) else { break };
            self.fire(now, timer);
        }
        self.pump(now);
    }

    fn fire(&mut self, now: Now, timer: Timer) {
        match timer {
            Timer::Session(bind) => self.session_timeout(now, bind),
            Timer::Customer(conn) => self.customer_timeout(now, conn),
            Timer::Login(conn) => self.login_due(now, conn),
            Timer::Due(sequence) => self.due(now, sequence),
            Timer::Health(bind) => self.health_timeout(now, bind),
            Timer::Reconnect(bind) => self.reconnect(now, bind),
            Timer::Turn => self.give_turns(now),
            Timer::Resume(carrier) => self.resume(carrier),
            Timer::Rate(carrier) => self.report_due(carrier),
            Timer::Credit(carrier) => self.credits_due(carrier),
            Timer::Down(carrier) => self.leave_carrier(now, carrier),
            Timer::Retired(carrier) => self.look_at_retired(now, carrier),
            Timer::Validity(sequence) => self.validity_over(now, sequence),
            Timer::Grace(sequence) => self.grace_over(now, sequence),
            Timer::Retry(sequence, part) => self.retry_part(now, PartRef { sequence, part }),
            Timer::Resend(sequence, part) => {
                self.grace_without_sign(now, PartRef { sequence, part });
            }
            Timer::Orphan(orphan) => self.seek_orphan(now, orphan),
            Timer::Chores => {
                self.journal.log.retry_chores();
                self.registers.retry();
                self.cold.retry_chores();
                self.retry_content_chores();
                self.erasure_rested();
            }
            Timer::Erasure => self.erasure_rested(),
            Timer::DrainLimit => self.drain_limit(now),
        }
    }
}
