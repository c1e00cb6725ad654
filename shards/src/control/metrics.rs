//! The metrics page, in Prometheus text 0.0.4 and OpenMetrics 1.0, from one walk over the tables of
//! what is counted. Pure: the control thread reads the shards' numbers through it.

use core::fmt::Write as _;

use postrider_core::clock::UnixMs;
use postrider_core::health::Health;
use postrider_core::ported::LoadedTable;
use postrider_core::rate::{Changes, TroubleKind};
use postrider_core::region::Region;

use super::carriers::{EVIDENCE, word};
use super::{Control, Known, ShardState};
use crate::shard::Learned;
use crate::stats::{BindState, BindStats, Counter, Gauge, Histogram, Series, Stats};

/// Which of the two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    OpenMetrics,
}

impl Format {
    /// What the values of a request's Accept header ask for: OpenMetrics 1.0 when it is named and
    /// not wanted less than text.
    pub(super) fn of<'a>(accept: impl Iterator<Item = &'a str>) -> Self {
        let (mut text, mut open) = (0.0, 0.0);
        for range in accept.flat_map(|value| value.split(',')) {
            let mut fields = range.split(';').map(str::trim);
            let kind = fields.next().unwrap_or_default().to_ascii_lowercase();
            let (mut quality, mut version) = (1.0_f32, None);
            for field in fields {
                match field.split_once('=') {
                    Some(("q", q)) => quality = q.trim().parse().unwrap_or(0.0),
                    Some(("version", v)) => version = Some(v.trim_matches('"')),
                    _ => {}
                }
            }
            match kind.as_str() {
                "application/openmetrics-text" if matches!(version, None | Some("1.0.0")) => {
                    open = quality.max(open);
                }
                "text/plain" => text = quality.max(text),
                _ => {}
            }
        }
        if open > 0.0 && open >= text { Self::OpenMetrics } else { Self::Text }
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The whole page.
pub(super) fn encode(control: &Control, format: Format) -> String {
    let mut page = Page::new(format, control.facts.started_unix_ms);
    about_the_process(&mut page, control);
    for counter in Counter::ALL {
        let series = counter.series();
        page.family(series, Kind::Counter);
        for (shard, stats) in control.shards.iter().enumerate() {
            let labels = Labels::shard(shard).and(series.label);
            page.counter(series.family, &labels, stats.get(*counter), counter.per_unit());
        }
    }
    for gauge in Gauge::ALL {
        let series = gauge.series();
        page.family(series, Kind::Gauge);
        for (shard, stats) in control.shards.iter().enumerate() {
            page.gauge(series.family, &Labels::shard(shard), stats.gauge_value(*gauge));
        }
    }
    for histogram in Histogram::ALL {
        page.family(histogram.series(), Kind::Histogram);
        for (shard, stats) in control.shards.iter().enumerate() {
            page.histogram(*histogram, stats, &Labels::shard(shard));
        }
    }
    about_ported(&mut page, &control.known(), (control.facts.wall)());
    about_binds(&mut page, &control.shards);
    about_rates(&mut page, &control.learned());
    about_ids(&mut page, &control.learned());
    page.end()
}

fn about_the_process(page: &mut Page, control: &Control) {
    let facts = &control.facts;
    page.info("postrider_build", "The program and the kernel that it runs on.");
    let labels = Labels::default().with("version", &facts.version).with("kernel", &facts.kernel);
    page.gauge("postrider_build_info", &labels, 1);
    page.info("postrider_shard_driver", "The I/O driver that runs on each shard.");
    for (shard, driver) in facts.drivers.iter().enumerate() {
        page.gauge("postrider_shard_driver_info", &Labels::shard(shard).with("driver", driver), 1);
    }
    let start = own("process_start_time_seconds", "When the process started, Unix time.");
    page.family(start, Kind::Gauge);
    let at = decimal(u128::from(facts.started_unix_ms), 1_000);
    page.line(start.family, &Labels::default(), &at);
    let beats = own("postrider_shard_heartbeats", "Signs of life of the shard's loop.");
    page.family(beats, Kind::Counter);
    for (shard, stats) in control.shards.iter().enumerate() {
        let count = stats.last_beat().map_or(0, |(count, _)| count);
        page.counter(beats.family, &Labels::shard(shard), count, 1);
    }
    let cpu = own("process_cpu_seconds", "Processor time of all threads of the process.");
    page.family(cpu, Kind::Counter);
    let used = u64::try_from((facts.cpu)().as_micros()).unwrap_or(u64::MAX);
    page.counter(cpu.family, &Labels::default(), used, 1_000_000);
    let uneven = own(
        "postrider_shard_imbalance_ratio",
        "By how much less the idlest shard's core had to do than the busiest's.",
    );
    page.family(uneven, Kind::Gauge);
    let percent = control.balance().last().map_or(0, |verdict| verdict.percent);
    page.line(uneven.family, &Labels::default(), &decimal(u128::from(percent), 100));
    if let Some(reloads) = &control.reloads {
        let family =
            own("postrider_config_reloads", "Times that a new configuration was asked for.");
        page.family(family, Kind::Counter);
        for (result, count) in reloads.counts() {
            page.counter(family.family, &Labels::default().with("result", result), count, 1);
        }
    }
    let draining = own("postrider_draining", "1 while the process finishes what it has.");
    page.family(draining, Kind::Gauge);
    let is_draining = control.readiness.is_draining()
        || control.readiness.states().any(|state| state == ShardState::Draining);
    page.gauge(draining.family, &Labels::default(), u64::from(is_draining));
}

type Measure = fn(&LoadedTable, UnixMs) -> u64;

/// What each table of ported numbers exports.
const PORTED_SERIES: [(Series, Measure); 6] = [
    (own("postrider_ported_numbers", "Numbers of the table of ported numbers."), |own, _| {
        own.table.parts().header.numbers
    }),
    (own("postrider_ported_bytes", "Memory of the table, for all shards."), |own, _| {
        own.table.octets()
    }),
    (
        own("postrider_ported_as_of_timestamp_seconds", "When the table's last source was true."),
        |own, _| own.as_of().0 / 1_000,
    ),
    (
        own("postrider_ported_age_seconds", "How long ago the table's last source was true."),
        |own, now| now.since(own.as_of()).as_secs(),
    ),
    (
        own("postrider_ported_fresh_until_timestamp_seconds", "Until when the table is fresh."),
        |own, _| own.fresh_until().0 / 1_000,
    ),
    (
        own("postrider_ported_fresh", "1 while the table is fresh; later it is trusted less."),
        |own, now| u64::from(own.is_fresh(now)),
    ),
];

/// One series for each file: a country may have several.
fn about_ported(page: &mut Page, known: &Known, now: UnixMs) {
    for (series, measure) in PORTED_SERIES {
        page.family(series, Kind::Gauge);
        for own in known.ported.tables() {
            let country = own.table.country(&known.tables);
            let country = country.as_ref().map_or("several", Region::as_str);
            let labels = Labels::default().with("country", country).with("table", &own.name);
            page.gauge(series.family, &labels, measure(own, now));
        }
    }
}

const fn own(family: &'static str, help: &'static str) -> Series {
    Series { family, label: None, help }
}

type Read = fn(&BindStats) -> u64;

/// What each bind exports besides its state.
const BIND_SERIES: [(Kind, Series, Read); 7] = [
    (Kind::Gauge, own("postrider_bind_window_used", "Unanswered submit_sm on the bind."), |bind| {
        bind.window_used.get()
    }),
    (
        Kind::Gauge,
        own("postrider_bind_window_limit", "The most unanswered submit_sm on the bind."),
        |bind| bind.window_limit.get(),
    ),
    (
        Kind::Counter,
        own("postrider_bind_submitted", "submit_sm handed over on the bind."),
        |bind| bind.submitted.get(),
    ),
    (
        Kind::Counter,
        own("postrider_bind_responses", "submit_sm_resp received on the bind."),
        |bind| bind.responses.get(),
    ),
    (
        Kind::Counter,
        own("postrider_bind_throttled", "Answers that asked the bind to slow down."),
        |bind| bind.throttled.get(),
    ),
    (
        Kind::Counter,
        own("postrider_bind_refused", "Answers that refused a part on the bind."),
        |bind| bind.refused.get(),
    ),
    (
        Kind::Counter,
        own("postrider_bind_reconnects", "Times that the bind was opened again after a loss."),
        |bind| bind.reconnects.get(),
    ),
];

fn about_binds(page: &mut Page, shards: &[std::sync::Arc<Stats>]) {
    let state = own("postrider_bind_state", "1 for the state in which the bind is.");
    page.family(state, Kind::Gauge);
    for_each_bind(shards, |labels, bind| {
        for possible in BindState::ALL {
            let labels = labels.clone().with("state", possible.name());
            page.gauge(state.family, &labels, u64::from(bind.state() == possible));
        }
    });
    let health = own("postrider_bind_health", "1 for what the bind is worth.");
    page.family(health, Kind::Gauge);
    for_each_bind(shards, |labels, bind| {
        for possible in Health::ALL {
            let labels = labels.clone().with("health", possible.name());
            page.gauge(health.family, &labels, u64::from(bind.health() == possible));
        }
    });
    for (kind, series, read) in BIND_SERIES {
        page.family(series, kind);
        for_each_bind(shards, |labels, bind| match kind {
            Kind::Counter => page.counter(series.family, labels, read(bind), 1),
            Kind::Gauge | Kind::Histogram => page.gauge(series.family, labels, read(bind)),
        });
    }
}

/// How fast carriers are given parts, and for what that was changed.
fn about_rates(page: &mut Page, learned: &Learned) {
    let of = |carrier: &str| Labels::default().with("carrier", carrier);
    let limit = own(
        "postrider_carrier_rate_limit",
        "Parts a second that all shards together may give the carrier now; 0 for no limit.",
    );
    page.family(limit, Kind::Gauge);
    for carrier in learned.carriers() {
        page.gauge(limit.family, &of(carrier.name()), carrier.pace().limit().into());
    }
    let used = own(
        "postrider_carrier_rate_used",
        "Parts that all shards together gave the carrier in a second, as told last.",
    );
    page.family(used, Kind::Gauge);
    for carrier in learned.carriers() {
        page.gauge(used.family, &of(carrier.name()), carrier.pace().used().into());
    }
    let lowered = own(
        "postrider_carrier_rate_lowered",
        "Times that the carrier's rate was lowered, by what the carrier had said.",
    );
    let raised = own(
        "postrider_carrier_rate_raised",
        "Times that the carrier's rate began to rise again, by what it had been lowered for.",
    );
    by_cause(page, lowered, learned, |changes| changes.lowered);
    by_cause(page, raised, learned, |changes| changes.raised);
}

fn by_cause(
    page: &mut Page,
    series: Series,
    learned: &Learned,
    counts: impl Fn(&Changes) -> [u64; TroubleKind::CAUSES.len()],
) {
    page.family(series, Kind::Counter);
    for carrier in learned.carriers() {
        let labels = |cause| Labels::default().with("carrier", carrier.name()).with("cause", cause);
        for (cause, count) in TroubleKind::CAUSES.iter().zip(counts(&carrier.pace().changes())) {
            page.counter(series.family, &labels(cause), count, 1);
        }
    }
}

/// What traffic shows of the forms of carriers' message ids.
fn about_ids(page: &mut Page, learned: &Learned) {
    let pairs = own(
        "postrider_carrier_id_pairs",
        "Pairs of an answer's and a receipt's id that belong together, by what they show.",
    );
    page.family(pairs, Kind::Gauge);
    for carrier in learned.carriers() {
        for (evidence, count) in EVIDENCE.iter().zip(carrier.pairs()) {
            let labels = Labels::default().with("carrier", carrier.name());
            page.gauge(pairs.family, &labels.with("evidence", evidence), u64::from(count));
        }
    }
    let suspect = own(
        "postrider_carrier_receipts_suspect",
        "1 when all receipts of the carrier say \"delivered\" in the moment in which it takes a part.",
    );
    page.family(suspect, Kind::Gauge);
    for carrier in learned.carriers() {
        let labels = Labels::default().with("carrier", carrier.name());
        page.gauge(suspect.family, &labels, u64::from(carrier.is_suspect()));
    }
    let forms = own(
        "postrider_carrier_id_forms",
        "1 for the forms of message ids in use, and for those that traffic shows instead.",
    );
    page.family(forms, Kind::Gauge);
    for carrier in learned.carriers() {
        let proposed = carrier.proposal().map(|proposal| ("proposed", proposal.forms));
        for (standing, ids) in [Some(("in_use", carrier.forms())), proposed].into_iter().flatten() {
            let labels = Labels::default()
                .with("carrier", carrier.name())
                .with("response", word(ids.response))
                .with("receipt", word(ids.receipt))
                .with("standing", standing);
            page.gauge(forms.family, &labels, 1);
        }
    }
}

fn for_each_bind(shards: &[std::sync::Arc<Stats>], mut each: impl FnMut(&Labels, &BindStats)) {
    for (shard, stats) in shards.iter().enumerate() {
        for (label, bind) in stats.binds() {
            let number = label.bind.to_string();
            let labels = Labels::shard(shard).with("carrier", &label.carrier);
            each(&labels.with("bind", &number).with("kind", label.kind), bind);
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Labels in their written form, without braces.
#[derive(Clone, Default)]
struct Labels(String);

impl Labels {
    fn shard(shard: usize) -> Self {
        Self(format!("shard=\"{shard}\""))
    }

    fn and(self, label: Option<(&str, &str)>) -> Self {
        match label {
            Some((key, value)) => self.with(key, value),
            None => self,
        }
    }

    fn with(mut self, key: &str, value: &str) -> Self {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(key);
        self.0.push_str("=\"");
        for c in value.chars() {
            match c {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                other => self.0.push(other),
            }
        }
        self.0.push('"');
        self
    }
}

/// The page as it grows.
struct Page {
    out: String,
    format: Format,
    created: String,
}

impl Page {
    fn new(format: Format, started_unix_ms: u64) -> Self {
        let created = decimal(u128::from(started_unix_ms), 1_000);
        Self { out: String::with_capacity(64 * 1024), format, created }
    }

    /// Begins a family; a further variant of the family that was begun has no help and adds no
    /// head.
    fn family(&mut self, series: Series, kind: Kind) {
        if series.help.is_empty() {
            return;
        }
        // In text 0.0.4 a counter's family is named like its samples.
        let total = matches!((self.format, kind), (Format::Text, Kind::Counter));
        let suffix = if total { "_total" } else { "" };
        self.head(series.family, suffix, kind.name(), series.help);
    }

    /// Begins a family of facts in labels.
    fn info(&mut self, family: &'static str, help: &str) {
        match self.format {
            Format::Text => self.head(family, "_info", "gauge", help),
            Format::OpenMetrics => self.head(family, "", "info", help),
        }
    }

    fn head(&mut self, family: &str, suffix: &str, kind: &str, help: &str) {
        self.put(format_args!("# HELP {family}{suffix} {help}\n"));
        self.put(format_args!("# TYPE {family}{suffix} {kind}\n"));
        let unit = ["seconds", "bytes"]
            .into_iter()
            .find(|unit| family.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')));
        if let (Format::OpenMetrics, Some(unit)) = (self.format, unit) {
            self.put(format_args!("# UNIT {family}{suffix} {unit}\n"));
        }
    }

    fn counter(&mut self, family: &str, labels: &Labels, value: u64, per_unit: u64) {
        let value = decimal(u128::from(value), per_unit);
        self.line(&format!("{family}_total"), labels, &value);
        self.created(family, labels);
    }

    fn gauge(&mut self, name: &str, labels: &Labels, value: u64) {
        self.line(name, labels, &value.to_string());
    }

    fn histogram(&mut self, histogram: Histogram, stats: &Stats, labels: &Labels) {
        let family = histogram.series().family;
        let per_unit = if histogram.is_duration() { 1_000_000_000 } else { 1 };
        let view = stats.histogram(histogram);
        let bucket = format!("{family}_bucket");
        for (bound, count) in view.cumulative {
            let labels = labels.clone().with("le", &bound_text(bound, per_unit));
            self.line(&bucket, &labels, &count.to_string());
        }
        self.line(&bucket, &labels.clone().with("le", "+Inf"), &view.count.to_string());
        self.line(&format!("{family}_count"), labels, &view.count.to_string());
        let sum = decimal(u128::from(view.sum), per_unit);
        self.line(&format!("{family}_sum"), labels, &sum);
        self.created(family, labels);
    }

    /// OpenMetrics says since when a series counts; a sample of that name would be a family of its
    /// own in text 0.0.4.
    fn created(&mut self, family: &str, labels: &Labels) {
        if self.format == Format::OpenMetrics {
            let created = self.created.clone();
            self.line(&format!("{family}_created"), labels, &created);
        }
    }

    fn line(&mut self, name: &str, labels: &Labels, value: &str) {
        match labels.0.as_str() {
            "" => self.put(format_args!("{name} {value}\n")),
            labels => self.put(format_args!("{name}{{{labels}}} {value}\n")),
        }
    }

    fn put(&mut self, text: core::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        self.out.write_fmt(text).unwrap_or_default();
    }

    fn end(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }
}

/// `value / per_unit`, exactly, for a `per_unit` that is a power of ten.
fn decimal(value: u128, per_unit: u64) -> String {
    let per_unit = u128::from(per_unit.max(1));
    let digits = per_unit.checked_ilog10().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let (whole, rest) = (value / per_unit, value % per_unit);
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:0digits$}") }
}

/// A bucket's bound as OpenMetrics writes numbers: with a point, without needless zeros, and below
/// a tenth of a millisecond with an exponent.
fn bound_text(bound: u64, per_unit: u64) -> String {
    if per_unit > 1 && bound < 100_000 {
        let exponent = if bound < 10_000 { 6 } else { 5 };
        let mantissa = decimal(u128::from(bound), 10_u64.pow(9 - exponent));
        return format!("{}e-0{exponent}", trimmed(&mantissa));
    }
    let text = decimal(u128::from(bound), per_unit);
    if text.contains('.') { trimmed(&text).to_owned() } else { format!("{text}.0") }
}

fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
