//! One bind as the shard sees it: the session, when it may submit, when to connect again. One per
//! bind, on the shard that holds it.

use std::collections::VecDeque;
use std::time::Duration;

use postrider_core::route::{CarrierIx, Load};
use postrider_smpp::backoff::{Backoff, BackoffCause};
use postrider_smpp::session::{BindKind, CloseReason, Session, SessionConfig, State};
use postrider_storage::Lsn;

/// The state of the TCP connection below the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Waiting for its back-off.
    Down,
    /// The driver was asked to connect.
    Connecting,
    /// Open; the session says how far it is.
    Up,
    /// The driver was asked to close.
    Closing,
}

/// One bind.
pub(crate) struct Bind {
    pub(crate) carrier: CarrierIx,
    /// Which of the carrier's binds on this shard it is.
    pub(crate) place: u16,
    /// The configuration has it.
    pub(crate) wanted: bool,
    /// It connects to another one, or as somebody else, once the connection that it has is closed.
    pub(crate) changed: bool,
    pub(crate) session: Session,
    pub(crate) link: Link,
    /// Counts connections: what came on an older one is not answered on a newer.
    pub(crate) epoch: u64,
    pub(crate) backoff: Backoff,
    pub(crate) bound_since: Option<Duration>,
    pub(crate) paused_until: Duration,
    pub(crate) rate: RateWindow,
    pub(crate) window: u16,
    /// Answers whose records are not yet on disk: at most one window of them.
    undurable: VecDeque<Lsn>,
    /// The deadline for which a timer stands in the wheel.
    pub(crate) armed: Option<Duration>,
    /// A flush stands among the ops.
    pub(crate) flushing: bool,
    /// Why the peer refused the last bind.
    pub(crate) refused: Option<BackoffCause>,
    /// Why the session wants the connection closed.
    pub(crate) close_reason: Option<CloseReason>,
}

impl Bind {
    pub(crate) fn new(
        (carrier, place): (CarrierIx, u16),
        config: SessionConfig,
        rate: RateWindow,
        backoff: Backoff,
    ) -> Self {
        let window = config.window;
        Bind {
            carrier,
            place,
            wanted: true,
            changed: false,
            session: Session::new(config),
            link: Link::Down,
            epoch: 0,
            backoff,
            bound_since: None,
            paused_until: Duration::ZERO,
            rate,
            window,
            undurable: VecDeque::new(),
            armed: None,
            flushing: false,
            refused: None,
            close_reason: None,
        }
    }

    /// What it is for.
    pub(crate) fn kind(&self) -> BindKind {
        self.session.config().bind
    }

    /// Takes other settings: bounds and timers count from now on, who we are from the next
    /// connection on.
    pub(crate) fn configure(&mut self, config: SessionConfig, rate: u32, now: Duration) {
        self.window = config.window;
        self.session.configure(config);
        self.rate.set_rate(rate, now);
    }

    /// Bound, and not only to receive.
    pub(crate) fn can_submit(&self) -> bool {
        match self.session.state() {
            State::Bound(BindKind::Transmitter | BindKind::Transceiver) => true,
            State::Bound(BindKind::Receiver)
            | State::Closed
            | State::Open
            | State::Outbound
            | State::Binding
            | State::Unbinding
            | State::Unbound => false,
        }
    }

    /// Submits that may leave now, as far as window and log allow.
    pub(crate) fn room(&self) -> usize {
        let waiting = self.undurable.len();
        if !self.can_submit() || waiting >= usize::from(self.window) {
            return 0;
        }
        self.session.window_free()
    }

    /// An answer came; its record is `lsn`.
    pub(crate) fn answered(&mut self, lsn: Lsn) {
        self.undurable.push_back(lsn);
    }

    /// Records up to `durable` are on disk.
    pub(crate) fn settle(&mut self, durable: Lsn) {
        while self.undurable.front().is_some_and(|lsn| *lsn <= durable) {
            self.undurable.pop_front();
        }
    }
}

/// A rate that no window of one second exceeds, wherever that second begins. It remembers the times
/// of the last `rate` submits.
pub(crate) struct RateWindow {
    rate: usize,
    sent: VecDeque<Duration>,
    /// What the carrier asked us to slow down to, and when.
    lowered: Option<(usize, Duration)>,
}

impl RateWindow {
    /// `rate` in parts per second; 0 is no limit. What a process before this one sent is not known:
    /// it counts as a full second's worth, sent just now.
    pub(crate) fn new(rate: u32, now: Duration) -> Self {
        let rate = usize::try_from(rate).unwrap_or(usize::MAX);
        RateWindow { rate, sent: std::iter::repeat_n(now, rate).collect(), lowered: None }
    }

    /// Another rate. What was sent within the last second counts on.
    pub(crate) fn set_rate(&mut self, rate: u32, now: Duration) {
        let rate = usize::try_from(rate).unwrap_or(usize::MAX);
        if self.rate == 0 && rate > 0 {
            // Without a rate nothing was noted.
            self.sent = std::iter::repeat_n(now, rate).collect();
        }
        self.rate = rate;
    }

    /// The carrier is slower than agreed: half of the present rate, which grows back by a twentieth
    /// of the whole each second. Without a rate there is nothing to halve.
    pub(crate) fn slow_down(&mut self, now: Duration) {
        if self.rate > 0 {
            self.lowered = Some(((self.limit(now) / 2).max(1), now));
        }
    }

    /// Parts of the present second.
    fn limit(&self, now: Duration) -> usize {
        let Some((rate, since)) = self.lowered else { return self.rate };
        let seconds = usize::try_from(now.saturating_sub(since).as_secs()).unwrap_or(usize::MAX);
        let grown = seconds.saturating_mul((self.rate / 20).max(1));
        rate.saturating_add(grown).min(self.rate)
    }

    /// When so many parts may leave at once: now, or later. More than a second holds wait for an
    /// empty one.
    pub(crate) fn next(&self, now: Duration, parts: usize) -> Duration {
        let limit = self.limit(now);
        let wanted = self.sent.len() + parts.min(limit);
        // Those that have to be a second old by then, without the last of them.
        let Some(before) = wanted.checked_sub(limit + 1).filter(|_| limit > 0) else {
            return now;
        };
        let second = Duration::from_secs(1);
        self.sent.get(before).map_or(now, |last| now.max(*last + second + Duration::from_nanos(1)))
    }

    /// How many parts may leave now.
    pub(crate) fn free(&self, now: Duration) -> usize {
        if self.rate == 0 {
            return usize::MAX;
        }
        self.limit(now).saturating_sub(self.recent(now))
    }

    /// What left within the last second, of what may leave.
    pub(crate) fn load(&self, now: Duration) -> Load {
        let count = |parts| u32::try_from(parts).unwrap_or(u32::MAX);
        Load { used: count(self.recent(now)), limit: count(self.limit(now)) }
    }

    fn recent(&self, now: Duration) -> usize {
        let old = |at: &Duration| *at + Duration::from_secs(1) < now;
        self.sent.len() - self.sent.partition_point(old)
    }

    /// Parts leave.
    pub(crate) fn sent(&mut self, now: Duration, parts: usize) {
        for _ in 0..parts.min(self.rate) {
            while self.sent.len() >= self.rate {
                self.sent.pop_front();
            }
            self.sent.push_back(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_holds_more_than_the_rate() {
        let mut window = RateWindow::new(7, Duration::ZERO);
        let mut sent = Vec::new();
        let mut parts = 1;
        for step in 0..5_000u64 {
            let now = Duration::from_millis(step);
            // One part, then a text of three, and so on.
            while window.next(now, parts) <= now {
                window.sent(now, parts);
                sent.extend(std::iter::repeat_n(now, parts));
                parts = 4 - parts;
            }
        }
        for (index, first) in sent.iter().enumerate() {
            let second =
                sent.iter().skip(index).filter(|at| **at <= *first + Duration::from_secs(1));
            assert!(second.count() <= 7, "more than 7 within a second of {first:?}");
        }
        assert!((20..=28).contains(&sent.len()), "7 a second, after a second of silence");
    }

    #[test]
    fn no_second_holds_more_than_the_rate_when_that_changes() {
        let mut window = RateWindow::new(0, Duration::ZERO);
        let mut sent: Vec<(Duration, usize)> = Vec::new();
        let mut rates = 0;
        for step in 0..10_000u64 {
            let now = Duration::from_millis(step);
            if step % 700 == 0 {
                let rate = [0, 9, 3, 20, 1].into_iter().cycle().nth(rates).unwrap_or(0);
                rates += 1;
                window.set_rate(rate, now);
            }
            for _ in 0..5 {
                if window.next(now, 1) <= now {
                    window.sent(now, 1);
                    sent.push((now, if window.rate == 0 { usize::MAX } else { window.rate }));
                }
            }
        }
        for (index, (last, rate)) in sent.iter().enumerate() {
            let within = |(at, _): &&(Duration, usize)| *at + Duration::from_secs(1) >= *last;
            let second = sent.iter().take(index + 1).filter(within).count();
            assert!(second <= *rate, "{second} within the second before {last:?} at {rate}");
        }
    }

    #[test]
    fn a_lowered_rate_is_halved_at_once_and_grows_back() {
        let sent_in = |window: &mut RateWindow, from: u64| {
            let mut count = 0;
            for ms in from * 1_000..(from + 1) * 1_000 {
                let now = Duration::from_millis(ms);
                while window.next(now, 1) <= now {
                    window.sent(now, 1);
                    count += 1;
                }
            }
            count
        };
        let mut window = RateWindow::new(40, Duration::ZERO);
        assert_eq!(sent_in(&mut window, 5), 40);
        window.slow_down(Duration::from_secs(7));
        assert!((19..=21).contains(&sent_in(&mut window, 7)));
        assert!((22..=26).contains(&sent_in(&mut window, 10)));
        assert_eq!(sent_in(&mut window, 20), 40, "it never exceeds the whole");
    }

    #[test]
    fn more_parts_than_a_second_holds_wait_for_an_empty_one() {
        let mut window = RateWindow::new(2, Duration::ZERO);
        let start = window.next(Duration::ZERO, 5);
        assert!(start > Duration::from_secs(1));
        window.sent(start, 5);
        assert!(window.next(start, 1) > start + Duration::from_secs(1));
    }
}
