//! One run: what its connections share, and what becomes of each message. One per process, on its
//! runtime's thread.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{bail, ensure};
use monoio::io::AsyncReadRent as _;
use monoio::net::UnixStream;

use super::answer::Answer;
use super::arrivals::{Arrivals, Job};
use super::pacer::Pacer;
use super::request::Requests;
use super::{LoadOptions, LoadSummary, connection};
use crate::clock::{Clock, micros, unix_us};
use crate::corpus::Corpus;
use crate::ndjson::Ledger;
use crate::notify::Notify;
use crate::rt;
use crate::stats::Spans;
use crate::stop::Stop;

/// How often messages to be sent again, time-outs and the ledger are looked after.
const TICK: Duration = Duration::from_millis(10);

/// Ticks between two hand-overs of the ledger.
const TICKS_PER_FLUSH: u32 = 20;

/// How long the first connections may take: longer means a wrong address, not a restart.
const SETUP_MAX: Duration = Duration::from_secs(5);

/// Connections of one run at most: one process's file descriptors.
const CONNECTIONS_MAX: usize = 10_000;

/// What all tasks of a run share.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) requests: Requests,
    pub(crate) timeout: Duration,
    give_up: Duration,
    warmup: u64,
    stop: Stop,
    /// Runs from the start of the process part.
    clock: Clock,
    /// When arrivals began; `None` while the first connections are made.
    begun: Cell<Option<Beginning>>,
    pub(crate) slots: Vec<Slot>,
    idle: RefCell<VecDeque<usize>>,
    /// Somebody ought to look whether the run has begun or ended.
    progress: Notify,
    state: RefCell<State>,
}

#[derive(Debug, Clone, Copy)]
struct Beginning {
    clock: Clock,
    wall_us: u64,
}

/// One connection's place.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// A message may be waiting, or the request in flight has timed out.
    pub(crate) wake: Notify,
    pub(crate) connected: Cell<bool>,
    pub(crate) timed_out: Cell<bool>,
    waiting: Cell<bool>,
    in_flight: Cell<Option<(Job, Duration)>>,
}

#[derive(Debug)]
struct State {
    arrivals: Arrivals,
    ledger: Ledger,
    abandoned: bool,
    in_flight: usize,
    connected_at: Duration,
    connect_error: Option<String>,
    /// When the first message that counts was meant to leave.
    first_counted: Option<Duration>,
    last_answer: Duration,
    counted: u64,
    lag: Spans,
    accept: Spans,
    service: Spans,
    summary: LoadSummary,
}

/// Runs to the end or until a signal.
pub(super) fn run(options: &LoadOptions, stop: &Stop) -> anyhow::Result<LoadSummary> {
    let rate = options.rate;
    ensure!(rate.is_finite() && rate >= 0.0, "--rate must be 0 or more, not {rate}");
    let connections = match options.max_in_flight {
        0 => options.connections,
        limit => options.connections.min(limit),
    };
    ensure!(
        (1..=CONNECTIONS_MAX).contains(&connections),
        "--connections must be 1 to {CONNECTIONS_MAX}"
    );
    let corpus = match &options.corpus {
        Some(path) => Corpus::load(path)?,
        None => Corpus::builtin(),
    };
    let run = Run::new(options, &corpus, connections, stop)?;
    run.write_texts(options, &corpus);
    rt::block_on(Rc::new(run).drive())?
}

impl Run {
    fn new(
        options: &LoadOptions,
        corpus: &Corpus,
        connections: usize,
        stop: &Stop,
    ) -> anyhow::Result<Self> {
        let summary = LoadSummary {
            messages: options.messages,
            rate_asked: options.rate,
            ..LoadSummary::default()
        };
        let state = State {
            arrivals: Arrivals::new(options.messages, options.rate),
            ledger: Ledger::create(options.ledger.as_deref())?,
            abandoned: false,
            in_flight: 0,
            connected_at: Duration::ZERO,
            connect_error: None,
            first_counted: None,
            last_answer: Duration::ZERO,
            counted: 0,
            lag: Spans::new()?,
            accept: Spans::new()?,
            service: Spans::new()?,
            summary,
        };
        Ok(Self {
            requests: Requests::new(options, corpus)?,
            timeout: Duration::from_secs(options.timeout_seconds),
            give_up: Duration::from_secs(options.give_up_seconds),
            warmup: options.warmup,
            stop: stop.clone(),
            clock: Clock::start(),
            begun: Cell::new(None),
            slots: (0..connections).map(|_| Slot::default()).collect(),
            idle: RefCell::new(VecDeque::with_capacity(connections)),
            progress: Notify::default(),
            state: RefCell::new(state),
        })
    }

    /// The texts stand in the ledger once, so that it can be checked without the corpus.
    fn write_texts(&self, options: &LoadOptions, corpus: &Corpus) {
        let mut state = self.state.borrow_mut();
        let webhook = options.webhook_url.is_some();
        state.ledger.line("run").number("n", options.messages).flag("webhook", webhook).end();
        let used = usize::try_from(options.messages).unwrap_or(usize::MAX).min(corpus.len());
        for index in 0..used {
            let number = u64::try_from(index).unwrap_or(u64::MAX);
            state.ledger.line("txt").number("x", number).text("text", corpus.text(index)).end();
        }
    }

    async fn drive(self: Rc<Self>) -> anyhow::Result<LoadSummary> {
        for index in 0..self.slots.len() {
            monoio::spawn(connection::run(Rc::clone(&self), index));
        }
        monoio::spawn(Rc::clone(&self).tick());
        while !self.all_connected() {
            self.progress.notified().await;
            self.fail_if_never_reached()?;
        }
        let pacer = self.begin()?;
        while !self.is_over() {
            self.progress.notified().await;
        }
        drop(pacer);
        self.finish()
    }

    fn all_connected(&self) -> bool {
        self.slots.iter().all(|slot| slot.connected.get()) || self.stop.is_set()
    }

    fn fail_if_never_reached(&self) -> anyhow::Result<()> {
        let state = self.state.borrow();
        if !state.abandoned || self.stop.is_set() {
            return Ok(());
        }
        let error = state.connect_error.as_deref().unwrap_or("no answer");
        bail!(
            "{} connections to {} could not be made: {error}",
            self.slots.len(),
            self.requests.address
        )
    }

    fn begin(self: &Rc<Self>) -> anyhow::Result<Option<Pacer>> {
        let clock = Clock::start();
        self.begun.set(Some(Beginning { clock, wall_us: unix_us() }));
        let (total, rate) = {
            let state = self.state.borrow();
            (state.summary.messages, state.summary.rate_asked)
        };
        self.wake_idle();
        if rate == 0.0 {
            return Ok(None);
        }
        let (pacer, nudges) = Pacer::start(clock, Arrivals::new(total, rate))?;
        monoio::spawn(Rc::clone(self).heed(UnixStream::from_std(nudges)?));
        Ok(Some(pacer))
    }

    /// Wakes connections whenever the pacer says that messages are due.
    async fn heed(self: Rc<Self>, mut nudges: UnixStream) {
        let mut buffer = Vec::with_capacity(256);
        loop {
            let (result, back) = nudges.read(buffer).await;
            buffer = back;
            if !result.is_ok_and(|count| count > 0) {
                return;
            }
            self.wake_idle();
        }
    }

    async fn tick(self: Rc<Self>) {
        let mut ticks = 0_u32;
        loop {
            monoio::time::sleep(TICK).await;
            ticks = ticks.wrapping_add(1);
            self.wake_idle();
            self.expire();
            self.abandon_if_hopeless();
            if ticks.is_multiple_of(TICKS_PER_FLUSH) {
                self.state.borrow_mut().ledger.flush();
            }
            self.progress.notify();
        }
    }

    fn wake_idle(&self) {
        let Some(now) = self.now() else { return };
        let waiting = self.state.borrow_mut().arrivals.release(now);
        let mut idle = self.idle.borrow_mut();
        for _ in 0..waiting {
            let Some(index) = idle.pop_front() else { return };
            if let Some(slot) = self.slots.get(index) {
                slot.waiting.set(false);
                slot.wake.notify();
            }
        }
    }

    fn expire(&self) {
        let now = self.clock.mono();
        for slot in &self.slots {
            if slot.in_flight.get().is_some_and(|(_, sent)| now > sent + self.timeout) {
                slot.timed_out.set(true);
                slot.wake.notify();
            }
        }
    }

    fn abandon_if_hopeless(&self) {
        let now = self.clock.mono();
        let connected = self.slots.iter().any(|slot| slot.connected.get());
        let begun = self.begun.get().is_some();
        let mut state = self.state.borrow_mut();
        if connected && begun {
            state.connected_at = now;
        }
        let patience = if begun { self.give_up } else { self.give_up.min(SETUP_MAX) };
        if self.stop.is_set() || now > state.connected_at + patience {
            state.abandoned = true;
        }
    }

    fn is_over(&self) -> bool {
        let state = self.state.borrow();
        state.in_flight == 0 && (state.abandoned || state.arrivals.left() == 0)
    }

    /// Time since arrivals began.
    fn now(&self) -> Option<Duration> {
        self.begun.get().map(|beginning| beginning.clock.mono())
    }

    /// Says that connection `index` has nothing to send.
    pub(crate) fn wait_in_line(&self, index: usize) {
        let waits_already = self.slots.get(index).is_none_or(|slot| slot.waiting.replace(true));
        if !waits_already {
            self.idle.borrow_mut().push_back(index);
        }
    }

    /// Says that connection `index` no longer waits in line; if it was just called, the next one
    /// is called instead.
    pub(crate) fn leave_line(&self, index: usize) {
        self.idle.borrow_mut().retain(|waiting| *waiting != index);
        if let Some(slot) = self.slots.get(index) {
            slot.waiting.set(false);
        }
        self.wake_idle();
    }

    /// Whether the run will send nothing more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.state.borrow().abandoned
    }

    /// Notes an attempt to connect.
    pub(crate) fn connected(&self, index: usize, result: Result<(), String>) {
        let mut state = self.state.borrow_mut();
        if let Some(slot) = self.slots.get(index) {
            slot.connected.set(result.is_ok());
        }
        if let Err(error) = result {
            state.summary.connect_errors += 1;
            state.connect_error = Some(error);
        }
        drop(state);
        self.progress.notify();
    }

    /// Takes a message for connection `index` and appends its request to `out`.
    pub(crate) fn take(&self, index: usize, out: &mut Vec<u8>) -> bool {
        let Some(begun) = self.begun.get() else { return false };
        let now = begun.clock.mono();
        let mut state = self.state.borrow_mut();
        if state.abandoned {
            return false;
        }
        let Some(job) = state.arrivals.take(now) else { return false };
        let to = self.requests.numbers.to(job.index);
        self.requests.write(out, job.index, &to);
        if job.tries == 0 {
            let text = u64::try_from(self.requests.text_index(job.index)).unwrap_or(u64::MAX);
            let line = state.ledger.line("req").number("i", job.index).text("to", &to);
            line.number("t", begun.wall_us + micros(job.intended)).number("x", text).end();
            if job.index >= self.warmup {
                state.lag.record(now.saturating_sub(job.intended));
                state.first_counted.get_or_insert(job.intended);
            }
        }
        state.in_flight += 1;
        if let Some(slot) = self.slots.get(index) {
            slot.timed_out.set(false);
            slot.in_flight.set(Some((job, self.clock.mono())));
        }
        true
    }

    /// Notes what became of the request in flight on connection `index`: its answer and status, or
    /// `None` when the connection broke or the time ran out before one.
    pub(crate) fn settle(&self, index: usize, answer: Option<(Answer, u16)>) {
        let taken = self.slots.get(index).and_then(|slot| slot.in_flight.take());
        let (Some((job, sent)), Some(now)) = (taken, self.now()) else { return };
        let mut state = self.state.borrow_mut();
        state.in_flight -= 1;
        state.last_answer = now;
        let t = unix_us();
        match answer {
            Some((Answer::Accepted { id, parts }, _)) => {
                let served = self.clock.mono().saturating_sub(sent);
                state.accepted(job, now, served, job.index >= self.warmup, (&id, parts));
            }
            Some((Answer::Busy { pause, .. }, _)) if now < job.intended + self.give_up => {
                state.summary.retried_503 += 1;
                state.arrivals.again(job, now + pause);
            }
            Some((Answer::Busy { code, .. } | Answer::Refused { code }, status)) => {
                let line = state.ledger.line("err").number("i", job.index).number("t", t);
                line.number("status", u64::from(status)).text("code", &code).end();
                *state.summary.refused.entry(code).or_default() += 1;
            }
            None => {
                state.ledger.line("una").number("i", job.index).number("t", t).end();
                state.summary.unacknowledged += 1;
            }
        }
        drop(state);
        if self.is_over() {
            self.progress.notify();
        }
    }

    fn finish(&self) -> anyhow::Result<LoadSummary> {
        let mut state = self.state.borrow_mut();
        let first = state.first_counted.unwrap_or(state.last_answer);
        let seconds = state.last_answer.saturating_sub(first).as_secs_f64();
        let ledger = std::mem::replace(&mut state.ledger, Ledger::create(None)?);
        ledger.finish()?;
        let refused: &BTreeMap<String, u64> = &state.summary.refused;
        Ok(LoadSummary {
            refused_total: refused.values().sum(),
            unsent: state.arrivals.left(),
            seconds,
            rate_achieved: if seconds > 0.0 { state.counted as f64 / seconds } else { 0.0 },
            lag_ms: state.lag.percentiles(),
            accept_ms: state.accept.percentiles(),
            service_ms: state.service.percentiles(),
            ..state.summary.clone()
        })
    }
}

impl State {
    fn accepted(
        &mut self,
        job: Job,
        now: Duration,
        served: Duration,
        counts: bool,
        (id, parts): (&str, u64),
    ) {
        let latency = now.saturating_sub(job.intended);
        let line = self.ledger.line("acc").number("i", job.index).text("id", id);
        line.number("t", unix_us()).number("lat", micros(latency)).number("parts", parts).end();
        self.summary.accepted += 1;
        self.summary.parts += parts;
        if counts {
            self.counted += 1;
            self.accept.record(latency);
            self.service.record(served);
        }
    }
}
