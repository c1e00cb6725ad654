//! Latency statistics: HDR histograms in microseconds, printed in milliseconds. Pure, lives with
//! the part that measures.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::clock::micros;

/// The longest span a histogram tells apart: ten minutes. Longer ones count as this.
const LONGEST_US: u64 = 600_000_000;

/// Percentiles of a latency, in milliseconds. All zero when nothing was measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// How many spans were measured.
    pub count: u64,
    /// Half of them took at most this, ms.
    pub p50: f64,
    /// 90 % took at most this, ms.
    pub p90: f64,
    /// 99 % took at most this, ms.
    pub p99: f64,
    /// 99.9 % took at most this, ms.
    pub p99_9: f64,
    /// The longest, ms.
    pub max: f64,
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "p50 {:.2}  p90 {:.2}  p99 {:.2}  p99.9 {:.2}  max {:.2} ms",
            self.p50, self.p90, self.p99, self.p99_9, self.max
        )
    }
}

/// A histogram of spans, three significant digits.
#[derive(Debug)]
pub(crate) struct Spans(Histogram<u64>);

impl Spans {
    /// An empty histogram.
    ///
    /// # Errors
    /// Never with these constants; the library's constructor is fallible.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1, LONGEST_US, 3)?))
    }

    /// Counts one span.
    pub(crate) fn record(&mut self, span: Duration) {
        self.record_us(micros(span));
    }

    /// Counts one span given in microseconds.
    pub(crate) fn record_us(&mut self, span_us: u64) {
        self.0.saturating_record(span_us);
    }

    /// What was measured so far.
    pub(crate) fn percentiles(&self) -> Percentiles {
        let at = |quantile: f64| ms(self.0.value_at_quantile(quantile));
        if self.0.is_empty() {
            return Percentiles::default();
        }
        Percentiles {
            count: self.0.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: ms(self.0.max()),
        }
    }
}

fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
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

    use super::{Percentiles, Spans};

    #[test]
    fn percentiles_of_a_known_ramp() {
        let mut spans = Spans::new().expect("constants");
        for us in 1..=10_000_u64 {
            spans.record_us(us * 10);
        }
        let found = spans.percentiles();
        assert_eq!(found.count, 10_000);
        for (value, expected) in
            [(found.p50, 50.0), (found.p90, 90.0), (found.p99, 99.0), (found.max, 100.0)]
        {
            assert!((value - expected).abs() <= expected * 0.002, "{value} instead of {expected}");
        }
    }

    #[test]
    fn an_empty_histogram_gives_zeros() {
        assert_eq!(Spans::new().expect("constants").percentiles(), Percentiles::default());
    }
}
