//! What is wrong with a simulated carrier, and for how long. Pure; one per carrier.

use std::time::Duration;

use crate::hash;

/// What a carrier does while something is wrong with it.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Its connections are lost and new ones end at once
    Dead,
    /// It reads nothing and sends nothing, and keeps its connections
    HalfOpen,
    /// It answers everything but submits, and takes none
    Stalled,
    /// It answers every submit with ESME_RSYSERR
    Erroring,
}

/// Which fault, when and where.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct FaultOptions {
    /// What goes wrong
    #[arg(long, value_enum, value_name = "FAULT")]
    pub fault: Option<FaultKind>,
    /// From a carrier's first submit to its fault, milliseconds
    #[arg(long, default_value_t = 0, value_name = "MS")]
    pub fault_after_ms: u64,
    /// How long the fault lasts, milliseconds. 0: for good
    #[arg(long, default_value_t = 0, value_name = "MS")]
    pub fault_for_ms: u64,
    /// Only the carrier at this place among --listen, from 1, has the fault [default: all]
    #[arg(long, value_name = "N")]
    pub fault_carrier: Option<usize>,
    /// Of a million submits, so many are answered with ESME_RSYSERR; another try may be taken
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub temporary_ppm: u32,
}

/// Separates this choice from others.
const TEMPORARY_SALT: u64 = 0x7E4;

/// See the module's header.
#[derive(Debug)]
pub(super) struct Fault {
    kind: Option<FaultKind>,
    after: Duration,
    lasts: Option<Duration>,
    temporary_ppm: u32,
    /// When the first submit came.
    first: Option<Duration>,
    submits: u64,
}

impl Fault {
    /// That of the carrier at `index`, from 0.
    pub(super) fn new(options: &FaultOptions, index: usize) -> Self {
        let here = options.fault_carrier.is_none_or(|place| place == index + 1);
        let lasts = Duration::from_millis(options.fault_for_ms);
        Self {
            kind: options.fault.filter(|_| here),
            after: Duration::from_millis(options.fault_after_ms),
            lasts: (!lasts.is_zero()).then_some(lasts),
            temporary_ppm: options.temporary_ppm,
            first: None,
            submits: 0,
        }
    }

    /// A submit came: the time runs from the first one.
    pub(super) fn begin(&mut self, now: Duration) {
        self.first.get_or_insert(now);
    }

    /// A submit is to be answered; true when it is answered with an error of the carrier's own.
    pub(super) fn fails(&mut self, now: Duration) -> bool {
        self.begin(now);
        self.submits += 1;
        self.now(now) == Some(FaultKind::Erroring)
            || hash::chosen(TEMPORARY_SALT, &self.submits.to_le_bytes(), self.temporary_ppm)
    }

    /// What is wrong at `now`.
    pub(super) fn now(&self, now: Duration) -> Option<FaultKind> {
        let begins = self.first? + self.after;
        let over = self.lasts.is_some_and(|lasts| now >= begins + lasts);
        self.kind.filter(|_| now >= begins && !over)
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "tests"
    )]

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_fault_begins_after_the_first_submit_and_ends() {
        let options = FaultOptions {
            fault: Some(FaultKind::Erroring),
            fault_after_ms: 100,
            fault_for_ms: 50,
            fault_carrier: Some(2),
            ..FaultOptions::default()
        };
        let mut fault = Fault::new(&options, 1);
        assert_eq!(fault.now(ms(10_000)), None, "nothing came yet");
        assert!(!fault.fails(ms(20_000)));
        let at = |after: u64| fault.now(ms(20_000 + after));
        assert_eq!([at(99), at(150)], [None, None]);
        assert_eq!([at(100), at(149)], [Some(FaultKind::Erroring); 2]);
        assert!(fault.fails(ms(20_120)));
        let mut other = Fault::new(&options, 0);
        other.fails(ms(0));
        assert_eq!(other.now(ms(120)), None, "only the second has it");
        let mut lasting = Fault::new(&FaultOptions { fault_for_ms: 0, ..options }, 1);
        lasting.fails(ms(0));
        assert_eq!(lasting.now(ms(1 << 30)), Some(FaultKind::Erroring));
    }

    #[test]
    fn of_a_million_submits_so_many_fail_whatever_their_number() {
        let options = FaultOptions { temporary_ppm: 10_000, ..FaultOptions::default() };
        let mut fault = Fault::new(&options, 0);
        let failed = (0..100_000).filter(|n| fault.fails(ms(*n))).count();
        assert!((900..1_100).contains(&failed), "{failed}");
    }
}
