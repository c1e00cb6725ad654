//! What traffic shows of carriers: the share of parts that they deliver, and how long that takes, by
//! carrier and operator. Old news fades. Pure; one per shard.

use core::time::Duration;

use super::CarrierIx;
use crate::limits;
use crate::operators::Resolved;

/// One part, as weights count it.
const ONE: u32 = 1 << 16;
/// Parts that are taken for delivered before anything is known, so that a carrier without news is
/// tried, and one failure is not everything.
const PRIOR: u32 = 8 * ONE;
/// What weights are cut to: from then on every part counts for as much as any before it.
const MOST: u32 = limits::FIGURE_PARTS * ONE;
/// Steps of a half-life.
const STEPS: u64 = 16;
/// 2^(-step/16), times 2^16.
const FADE: [u32; 16] = [
    65_536, 62_757, 60_097, 57_549, 55_109, 52_773, 50_535, 48_393, 46_341, 44_376, 42_495, 40_693,
    38_968, 37_316, 35_734, 34_219,
];

/// How long a step of a half-life takes, in milliseconds.
fn step_of(half_life: Duration) -> u64 {
    (whole_ms(half_life) / STEPS).max(1)
}

/// Without the long division of a count of nanoseconds.
fn whole_ms(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1_000).saturating_add(time.subsec_millis().into())
}

/// What figures are kept by beside the carrier: the operator of a number, else its country.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Market(u32);

impl Market {
    /// The market of a number of which so much is known.
    #[must_use]
    pub fn of(known: &Resolved<'_>) -> Market {
        if let Some(operator) = known.operator {
            return Market(operator.pack());
        }
        let region = known.region.as_ref().map_or("", |region| region.as_str());
        let letters = region.bytes().take(2).fold(0u32, |all, letter| all << 8 | u32::from(letter));
        // Behind every operator.
        Market(1 << 31 | letters)
    }
}

/// What is known of a carrier for one market.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Share of the parts that were delivered, in parts per million.
    pub delivered: u32,
    /// Time from hand-over to delivery, in milliseconds; `None`: not known.
    pub latency: Option<u32>,
    /// Parts that this rests on, those of long ago counted less.
    pub parts: u32,
}

impl Default for Reading {
    fn default() -> Self {
        Reading { delivered: 1_000_000, latency: None, parts: 0 }
    }
}

/// Weights of the parts of one carrier and market, as of `step`.
#[derive(Copy, Clone, Debug)]
struct Figure {
    carrier: CarrierIx,
    step: u64,
    all: u32,
    good: u32,
    /// Weight of the parts whose time is known, and the sum of these times in milliseconds by weight.
    timed: u32,
    time: u64,
}

impl Figure {
    fn new(carrier: CarrierIx, step: u64) -> Figure {
        Figure { carrier, step, all: 0, good: 0, timed: 0, time: 0 }
    }

    /// The same at a later step.
    fn faded(mut self, step: u64) -> Figure {
        let steps = step.saturating_sub(self.step);
        if steps == 0 {
            return self;
        }
        self.step = self.step.max(step);
        let halves = u32::try_from(steps / STEPS).unwrap_or(u32::MAX);
        let place = usize::try_from(steps % STEPS).unwrap_or(0);
        let factor = FADE.get(place).copied().unwrap_or(ONE);
        self.scale(factor, halves);
        self
    }

    fn scale(&mut self, factor: u32, halves: u32) {
        let narrow = |weight: u32| {
            let scaled = (u64::from(weight) * u64::from(factor)) >> 16;
            u32::try_from(scaled.checked_shr(halves).unwrap_or(0)).unwrap_or(u32::MAX)
        };
        (self.all, self.good, self.timed) =
            (narrow(self.all), narrow(self.good), narrow(self.timed));
        // At most `MOST` parts of `FIGURE_TIME_MAX`: far from the end of the type.
        let time = (u128::from(self.time) * u128::from(factor)) >> 16;
        self.time = u64::try_from(time.checked_shr(halves).unwrap_or(0)).unwrap_or(u64::MAX);
    }

    fn add(&mut self, good: bool, took: Option<Duration>) {
        if self.all > MOST - ONE {
            // One part in so many goes for the new one.
            let factor = u64::from(ONE) * u64::from(MOST - ONE) / u64::from(self.all);
            self.scale(u32::try_from(factor).unwrap_or(ONE), 0);
        }
        self.all += ONE;
        self.good += if good { ONE } else { 0 };
        if let Some(took) = took {
            let took = took.min(limits::FIGURE_TIME_MAX).as_millis();
            self.timed += ONE;
            self.time += u64::from(ONE) * u64::try_from(took).unwrap_or(u64::MAX);
        }
    }

    fn read(self) -> Reading {
        let (good, all) = (u64::from(self.good + PRIOR), u64::from(self.all + PRIOR));
        let latency = (self.timed >= ONE).then(|| {
            u32::try_from(self.time.checked_div(self.timed.into()).unwrap_or(0)).unwrap_or(u32::MAX)
        });
        Reading {
            delivered: u32::try_from(good * 1_000_000 / all).unwrap_or(1_000_000),
            latency,
            parts: self.all.saturating_add(ONE / 2) / ONE,
        }
    }

    /// Whether it says something still.
    fn counts(self) -> bool {
        self.all >= ONE / 2
    }
}

/// What is known of every carrier.
#[derive(Debug)]
pub struct Figures {
    /// A step of a half-life, in milliseconds; at least one.
    step: u64,
    /// Ascending.
    markets: Vec<Market>,
    /// By market.
    rows: Vec<Vec<Figure>>,
    /// Over all rows; at most `FIGURES`.
    held: usize,
    /// When those that say nothing any more were last looked for.
    swept: u64,
}

impl Figures {
    /// Nothing is known yet; after `half_life` without news, what was known counts for half.
    #[must_use]
    pub fn new(half_life: Duration) -> Figures {
        let step = step_of(half_life);
        Figures { step, markets: Vec::new(), rows: Vec::new(), held: 0, swept: 0 }
    }

    /// From now on what is known fades by another half-life.
    pub fn set_half_life(&mut self, now: Duration, half_life: Duration) {
        let before = self.step_at(now);
        self.step = step_of(half_life);
        let step = self.step_at(now);
        self.swept = step;
        for figure in self.rows.iter_mut().flatten() {
            *figure = Figure { step, ..figure.faded(before) };
        }
    }

    /// A part was delivered, `took` after it was handed over when that is known.
    pub fn delivered(
        &mut self,
        now: Duration,
        carrier: CarrierIx,
        market: Market,
        took: Option<Duration>,
    ) {
        if let Some(figure) = self.figure(now, carrier, market) {
            figure.add(true, took);
        }
    }

    /// A part was refused, or came to nothing.
    pub fn failed(&mut self, now: Duration, carrier: CarrierIx, market: Market) {
        if let Some(figure) = self.figure(now, carrier, market) {
            figure.add(false, None);
        }
    }

    /// What is known of the carriers of one market.
    pub(super) fn of(&self, now: Duration, market: Market) -> Readings<'_> {
        let row = self.markets.binary_search(&market).ok().and_then(|at| self.rows.get(at));
        Readings { row: row.map_or(&[], Vec::as_slice), step: self.step_at(now) }
    }

    /// What is known of a carrier for a market.
    #[must_use]
    pub fn read(&self, now: Duration, carrier: CarrierIx, market: Market) -> Reading {
        self.of(now, market).read(carrier)
    }

    /// Pairs of carrier and market that something is known of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    fn step_at(&self, now: Duration) -> u64 {
        whole_ms(now) / self.step
    }

    /// The figure of a pair, as of now; `None` when there is no room for a new one.
    fn figure(&mut self, now: Duration, carrier: CarrierIx, market: Market) -> Option<&mut Figure> {
        let step = self.step_at(now);
        if self.held >= limits::FIGURES {
            self.sweep(step);
        }
        let place = match self.markets.binary_search(&market) {
            Ok(place) => place,
            Err(_) if self.held >= limits::FIGURES => return None,
            Err(place) => {
                self.markets.insert(place, market);
                self.rows.insert(place, Vec::new());
                place
            }
        };
        let row = self.rows.get_mut(place)?;
        let at = match row.iter().position(|figure| figure.carrier == carrier) {
            Some(at) => at,
            None if self.held >= limits::FIGURES => return None,
            None => {
                row.push(Figure::new(carrier, step));
                self.held += 1;
                row.len() - 1
            }
        };
        let figure = row.get_mut(at)?;
        *figure = figure.faded(step);
        Some(figure)
    }

    /// Forgets what says nothing any more; once a half-life, since it looks at everything.
    fn sweep(&mut self, step: u64) {
        if step < self.swept + STEPS {
            return;
        }
        self.swept = step;
        for row in &mut self.rows {
            row.retain(|figure| figure.faded(step).counts());
        }
        let kept = self.rows.iter().map(|row| !row.is_empty()).collect::<Vec<_>>();
        let mut keep = kept.iter();
        self.markets.retain(|_| keep.next().copied().unwrap_or(false));
        self.rows.retain(|row| !row.is_empty());
        self.held = self.rows.iter().map(Vec::len).sum();
    }
}

/// What is known of the carriers of one market, at one time.
#[derive(Copy, Clone)]
pub(super) struct Readings<'f> {
    row: &'f [Figure],
    step: u64,
}

impl Readings<'_> {
    pub(super) fn read(self, carrier: CarrierIx) -> Reading {
        let own = self.row.iter().find(|figure| figure.carrier == carrier);
        own.map_or_else(Reading::default, |figure| figure.faded(self.step).read())
    }
}
