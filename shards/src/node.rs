//! The driver of one shard: carries octets and time between the machine and its core's runtime, and
//! decides nothing. One per core; it lives and dies on its thread.

mod contents;
mod customers;
mod desk;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::select;
use postrider_core::clock::Now;
use postrider_core::limits;
use postrider_core::route::CarrierIx;
use postrider_http::auth::CustomerIx;
use postrider_http::problem::Problem;
use postrider_http::request::ApiRequest;
use postrider_smpp::session::CloseReason;
use postrider_storage::io::{FileDisk, FileReader, LogFile};
use postrider_storage::{Ask, LogIoError, Write, crash};

use crate::mesh_rings::Rings;
use crate::ports::OutbindPorts;
use crate::rt::http::HttpClient;
use crate::rt::{
    self, Doorbell, Link, Notify, Outbox, Sender, ShardClock, Stop, oneshot, sleep_until,
};
use crate::shard::{ApiResponse, BindIx, LookupGet, Op, Shard, Shared, WebhookPost};
use crate::stats::{Counter, Histogram, Stats};

pub use self::contents::OwnContents;

/// One shard with everything that connects it to the world.
pub struct Node {
    shard: RefCell<Shard>,
    clock: ShardClock,
    stats: Arc<Stats>,
    rings: RefCell<Rings>,
    tickets: RefCell<HashMap<u64, Sender<ApiResponse>, ahash::RandomState>>,
    next_ticket: Cell<u64>,
    binds: Outboxes,
    customers: Outboxes,
    webhooks: HttpClient,
    provider: HttpClient,
    /// By `CarrierIx`; plain where there is none.
    carrier_tls: RefCell<Vec<Option<rt::CarrierLink>>>,
    /// What the shard goes by.
    shared: RefCell<Arc<Shared>>,
    outbind_ports: OutbindPorts,
    reader: FileReader,
    archives: Vec<ArchiveFiles>,
    /// Something may be ready for the disk.
    write: Notify,
    /// Something may be ready for the disk of contents, or is to be done there.
    contents: contents::Wakes,
    /// The next deadline is earlier than the one slept for.
    earlier: Notify,
    sleeping_until: Cell<Option<Duration>>,
    /// A chore of the log may be due.
    chore: Notify,
    /// Operators' requests without an answer.
    asked: desk::Asked,
    drained: Cell<bool>,
    /// Shards of the process that are still at work.
    at_work: Arc<AtomicUsize>,
    finished: Stop,
}

/// The files of a log that no shard writes to any more.
pub struct ArchiveFiles {
    /// Which one.
    pub log: u16,
    /// Reads them.
    pub reader: FileReader,
    /// Removes them.
    pub disk: FileDisk,
}

/// What a node is made from.
pub struct NodeParts {
    /// The machine, recovered.
    pub shard: Shard,
    /// The shard's clock.
    pub clock: ShardClock,
    /// Its counters.
    pub stats: Arc<Stats>,
    /// Its rings.
    pub rings: Rings,
    /// Its webhook connections.
    pub webhooks: HttpClient,
    /// Its connections to the provider of look-ups.
    pub provider: HttpClient,
    /// TLS towards carriers, by `CarrierIx`.
    pub carrier_tls: Vec<Option<rt::CarrierLink>>,
    /// What the shard goes by.
    pub shared: Arc<Shared>,
    /// Reads the shard's files.
    pub reader: FileReader,
    /// The logs that it keeps beside its own.
    pub archives: Vec<ArchiveFiles>,
    /// Shards still at work, over the process.
    pub at_work: Arc<AtomicUsize>,
}

impl Node {
    /// Puts a node together; nothing runs yet.
    #[must_use]
    pub fn new(parts: NodeParts) -> Rc<Self> {
        Rc::new(Node {
            shard: RefCell::new(parts.shard),
            clock: parts.clock,
            stats: parts.stats,
            rings: RefCell::new(parts.rings),
            tickets: RefCell::new(HashMap::default()),
            next_ticket: Cell::new(1),
            binds: Outboxes::default(),
            customers: Outboxes::default(),
            webhooks: parts.webhooks,
            provider: parts.provider,
            carrier_tls: RefCell::new(parts.carrier_tls),
            shared: RefCell::new(parts.shared),
            outbind_ports: OutbindPorts::default(),
            reader: parts.reader,
            archives: parts.archives,
            write: Notify::new(),
            contents: contents::Wakes::default(),
            earlier: Notify::new(),
            sleeping_until: Cell::new(None),
            chore: Notify::new(),
            asked: desk::Asked::default(),
            drained: Cell::new(false),
            at_work: parts.at_work,
            finished: Stop::new(),
        })
    }

    /// Monotonic and guarded wall time.
    #[must_use]
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// Starts the shard's tasks; `log` says where its log is, `disk` does its chores.
    pub fn start(self: &Rc<Self>, log: LogPlace, disk: FileDisk, segment_bytes: u64) {
        rt::spawn(Rc::clone(self).write_log(log));
        rt::spawn(Rc::clone(self).do_chores(disk, segment_bytes));
        rt::spawn(Rc::clone(self).keep_time());
        rt::spawn(Rc::clone(self).read_rings());
        rt::spawn(Rc::clone(self).publish());
        self.with(|shard, now| shard.start(now));
    }

    /// Reads the configuration that the shard goes by.
    pub fn by_shared<R>(&self, read: impl FnOnce(&Shared) -> R) -> R {
        read(&self.shared.borrow())
    }

    /// Gives the machine one input, then does what it asks.
    fn with<R>(self: &Rc<Self>, input: impl FnOnce(&mut Shard, Now) -> R) -> R {
        let started = self.now();
        let result = input(&mut self.shard.borrow_mut(), started);
        self.do_ops();
        let taken = self.now().mono.saturating_sub(started.mono);
        self.stats.observe(Histogram::Turn, taken);
        result
    }

    fn do_ops(self: &Rc<Self>) {
        loop {
            let op = self.shard.borrow_mut().poll_op();
            let Some(op) = op else { break };
            self.do_op(op);
        }
        self.rings.borrow_mut().ring_bells();
        self.write.notify_one();
        self.contents.write.notify_one();
        let next = self.shard.borrow().poll_timeout();
        let earlier = match (next, self.sleeping_until.get()) {
            (Some(next), Some(slept_for)) => next < slept_for,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if earlier {
            self.earlier.notify_one();
        }
    }

    fn do_op(self: &Rc<Self>, op: Op) {
        match op {
            Op::Answer { ticket, response } => {
                crash::point("unanswered");
                let waiting = self.tickets.borrow_mut().remove(&ticket);
                if let Some(waiting) = waiting {
                    // The customer may have gone; the message is accepted all the same.
                    drop(waiting.send(response));
                }
            }
            Op::Mesh { to, message } => self.rings.borrow_mut().send(to, message),
            Op::Connect(bind) => rt::spawn(Rc::clone(self).connect(bind)),
            Op::Flush(bind) => self.flush(bind),
            Op::Close(bind) => self.close(bind),
            Op::FlushCustomer(conn) => self.flush_customer(conn),
            Op::CloseCustomer(conn) => self.close_customer(conn),
            Op::Webhook(post) => rt::spawn(Rc::clone(self).post(*post)),
            Op::LookUp(get) => rt::spawn(Rc::clone(self).look_up(*get)),
            Op::Read { token, log, ask } => rt::spawn(Rc::clone(self).read(token, log, ask)),
            Op::Controlled { ticket, answer } => self.controlled(ticket, answer),
            Op::Drained => self.drained(),
        }
    }

    /// Asks the machine on behalf of a customer and waits for its answer.
    pub async fn ask(self: &Rc<Self>, customer: CustomerIx, request: ApiRequest) -> ApiResponse {
        if self.tickets.borrow().len() >= limits::HTTP_REQUESTS_PER_SHARD {
            self.stats.inc(Counter::RefusedOverloaded);
            return ApiResponse::Problem(Problem::overloaded(1));
        }
        let ticket = self.next_ticket.get();
        self.next_ticket.set(ticket + 1);
        let (sender, receiver) = oneshot();
        self.tickets.borrow_mut().insert(ticket, sender);
        self.with(|shard, now| shard.handle_api(now, ticket, customer, request));
        match receiver.await {
            Some(response) => response,
            None => ApiResponse::Problem(Problem::shutting_down(1)),
        }
    }

    // --- binds ---

    async fn connect(self: Rc<Self>, bind: BindIx) {
        match self.open_link(bind).await {
            Ok(stream) => self.carry(bind, stream, Shard::handle_bind_connected).await,
            Err(error) => tracing::debug!(bind, %error, "connect failed"),
        }
        self.bind_closed(bind);
    }

    /// Connects a bind, and shakes hands where its carrier speaks TLS.
    async fn open_link(&self, bind: BindIx) -> std::io::Result<rt::Stream> {
        let address = self.shard.borrow().bind_address(bind).map(str::to_owned);
        let carrier = self.shard.borrow().bind_carrier_ix(bind).map(|ix| usize::from(ix.0));
        let (Some(address), Some(carrier)) = (address, carrier) else {
            return Err(std::io::ErrorKind::NotFound.into());
        };
        let stream = connect_to(&address).await?;
        let link = self.carrier_tls.borrow().get(carrier).cloned().flatten();
        match link {
            Some(link) => {
                let opened = link.client.connect(&link.name, stream, limits::CONNECT_LIMIT).await;
                if let Err(error) = &opened {
                    tracing::warn!(bind, %error, "TLS with the carrier failed");
                }
                Ok(opened?.into())
            }
            None => Ok(stream.into()),
        }
    }

    /// A carrier connected to have us bind on its connection.
    pub async fn serve_outbind(self: Rc<Self>, carrier: CarrierIx, stream: rt::TcpStream) {
        let slot = self.shard.borrow_mut().take_outbind_slot(carrier);
        let Some(bind) = slot else { return };
        self.carry(bind, stream.into(), Shard::handle_bind_accepted).await;
        self.bind_closed(bind);
    }

    fn bind_closed(self: &Rc<Self>, bind: BindIx) {
        self.binds.set(bind, None);
        self.with(|shard, now| shard.handle_bind_closed(now, bind));
    }

    /// Where carriers connect to us.
    pub(crate) fn outbind_ports(&self) -> &OutbindPorts {
        &self.outbind_ports
    }

    /// Where carriers that connect to us are to be listened for.
    #[must_use]
    pub fn outbind_listeners(&self) -> Vec<(CarrierIx, std::net::SocketAddr)> {
        self.shard.borrow().outbind_listeners().collect()
    }

    /// Carries a bind's octets until the connection ends; `ready` tells the machine that it can.
    async fn carry(
        self: &Rc<Self>,
        bind: BindIx,
        stream: rt::Stream,
        ready: fn(&mut Shard, Now, BindIx),
    ) {
        let outbox = Outbox::new();
        self.binds.set(bind, Some(Rc::clone(&outbox)));
        let node = Rc::clone(self);
        let on_bytes = move |octets: &[u8]| {
            node.with(|shard, now| shard.handle_bind_bytes(now, bind, octets));
            true
        };
        self.with(|shard, now| ready(shard, now, bind));
        let end = Link::run(stream, on_bytes, outbox).await;
        let reason = self.shard.borrow_mut().take_close_reason(bind);
        let shard = self.shard.borrow();
        let (id, carrier) = (shard.id().0, shard.bind_carrier(bind));
        let text = reason.map(tracing::field::display);
        // The operator's to mend: it does not pass by itself.
        if matches!(reason, Some(CloseReason::BindRefused(_))) {
            tracing::warn!(shard = id, carrier, bind, %end, reason = text, "the carrier refused a bind");
        } else {
            tracing::info!(shard = id, carrier, bind, %end, reason = text, "bind's connection ended");
        }
    }

    fn flush(&self, bind: BindIx) {
        if let Some(outbox) = self.binds.get(bind) {
            outbox.push_with(|out| self.shard.borrow_mut().take_bind_output(bind, out));
        }
    }

    fn close(&self, bind: BindIx) {
        if let Some(outbox) = self.binds.get(bind) {
            outbox.push_with(|out| self.shard.borrow_mut().take_bind_output(bind, out));
            outbox.close_after_flush();
        }
    }

    // --- webhooks ---

    async fn post(self: Rc<Self>, post: WebhookPost) {
        let started = self.now().mono;
        crash::point("webhook-unsent");
        let answer = self.webhooks.post(&post.target, &post.headers, post.body).await;
        self.stats.observe(Histogram::Webhook, self.now().mono.saturating_sub(started));
        let retry_after = answer.as_ref().ok().and_then(|answer| answer.retry_after);
        let status = answer.map(|answer| answer.status);
        crash::point("webhook-answered");
        self.with(|shard, now| {
            shard.handle_webhook_result(now, post.sequence, status, retry_after);
        });
    }

    // --- look-ups ---

    async fn look_up(self: Rc<Self>, get: LookupGet) {
        let started = self.now().mono;
        let answer = self.provider.get(&get.target, &get.headers, get.timeout).await;
        self.stats.observe(Histogram::LookupQuery, self.now().mono.saturating_sub(started));
        if let Err(error) = &answer {
            tracing::debug!(%error, "the provider of look-ups did not answer");
        }
        let answer = answer.ok().and_then(|(answer, body)| Some((answer.status, body?)));
        self.with(|shard, now| shard.handle_lookup_answer(now, get.asked, answer));
    }

    // --- log ---

    /// The one writer of the log: one batch at a time, whatever has gathered meanwhile.
    async fn write_log(self: Rc<Self>, log: LogPlace) {
        let mut file = None;
        loop {
            let write = {
                let now = self.now();
                self.shard.borrow_mut().poll_write(now)
            };
            let Some(write) = write else {
                self.write.notified().await;
                continue;
            };
            let started = self.now().mono;
            let (write, result) = log.write(&mut file, write).await;
            self.stats.observe(Histogram::Commit, self.now().mono.saturating_sub(started));
            self.with(|shard, now| shard.handle_written(now, write, result));
            self.stop_if_poisoned();
            self.chore.notify_one();
        }
    }

    /// Reads what a look-up of the shard asks for.
    async fn read(self: Rc<Self>, token: u64, log: u16, ask: Ask) {
        let started = self.now().mono;
        let archive = self.archives.iter().find(|archive| archive.log == log);
        let reader = archive.map_or(&self.reader, |archive| &archive.reader);
        let result = reader.read(ask).await;
        self.stats.observe(Histogram::Read, self.now().mono.saturating_sub(started));
        self.with(|shard, now| shard.handle_read(now, token, result));
        // One may have waited for the end of this read.
        self.chore.notify_one();
    }

    /// An I/O error on the log is final: restart is the repair.
    fn stop_if_poisoned(&self) {
        let shard = self.shard.borrow();
        if let Some(error) = shard.poisoned() {
            tracing::error!(shard = shard.id().0, %error, "the log failed; stopping");
            std::process::exit(crate::exit::LOG_FAILED);
        }
    }

    /// Does the slow work on files on a helper thread, never on the hot path.
    async fn do_chores(self: Rc<Self>, disk: FileDisk, segment_bytes: u64) {
        let mut disk = disk;
        loop {
            let chore = self.shard.borrow_mut().poll_chore();
            let Some(chore) = chore else {
                self.chore.notified().await;
                continue;
            };
            let archive = self.archives.iter().find(|archive| chore.archive() == Some(archive.log));
            let mut kept = archive.map(|archive| archive.disk.clone());
            let (own, done) = rt::blocking(move || {
                let done = chore.run(kept.as_mut().unwrap_or(&mut disk), segment_bytes);
                (disk, done)
            })
            .await;
            disk = own;
            let reader = archive.map_or(&self.reader, |archive| &archive.reader);
            for file in done.replaced() {
                reader.forget(file);
            }
            self.with(|shard, now| shard.handle_chore(now, done));
            self.stop_if_poisoned();
        }
    }

    // --- time ---

    /// The one timer of the shard.
    async fn keep_time(self: Rc<Self>) {
        loop {
            let next = self.shard.borrow().poll_timeout();
            self.sleeping_until.set(next);
            match next {
                Some(deadline) if deadline <= self.now().mono => {
                    self.with(|shard, now| shard.handle_timeout(now));
                    self.chore.notify_one();
                    self.contents.chore.notify_one();
                    // Nothing of ours needs more than a tick's precision.
                    rt::sleep(limits::TICK).await;
                }
                Some(deadline) => {
                    let clock = self.clock.clock();
                    let sleep = sleep_until(deadline, &clock);
                    select(pin!(sleep), pin!(self.earlier.notified())).await;
                }
                None => self.earlier.notified().await,
            }
        }
    }

    // --- other shards ---

    /// The one task that reads this shard's rings.
    async fn read_rings(self: Rc<Self>) {
        let bell: Arc<Doorbell> = self.rings.borrow().bell();
        loop {
            bell.wait(|| self.rings.borrow().has_work()).await;
            self.stats.inc(Counter::Wakeups);
            let mut left = limits::MESH_PER_TURN;
            loop {
                let received = self.rings.borrow_mut().receive();
                let Some((from, message)) = received else { break };
                self.with(|shard, now| shard.handle_mesh(now, from, message));
                left -= 1;
                if left == 0 {
                    self.stats.inc(Counter::TurnBudgetSpent);
                    left = limits::MESH_PER_TURN;
                    rt::yield_now().await;
                }
            }
        }
    }

    /// Gauges and the heartbeat, a few times a second.
    async fn publish(self: Rc<Self>) {
        let bell = self.rings.borrow().bell();
        let (mut spun, mut worked) = (Duration::ZERO, Duration::ZERO);
        loop {
            self.shard.borrow().publish();
            for (counter, total, before) in [
                (Counter::SpinMicros, bell.spun(), &mut spun),
                (Counter::CpuMicros, rt::thread_cpu(), &mut worked),
            ] {
                let fresh = u64::try_from(total.saturating_sub(*before).as_micros()).unwrap_or(0);
                self.stats.add(counter, fresh);
                *before += Duration::from_micros(fresh);
            }
            self.stats.beat(self.now().mono);
            rt::sleep(limits::PUBLISH_EVERY).await;
        }
    }

    // --- stop ---

    /// Begins a graceful stop.
    pub fn drain(self: &Rc<Self>) {
        self.with(|shard, now| shard.handle_drain(now));
    }

    fn drained(&self) {
        if !self.drained.replace(true) {
            self.at_work.fetch_sub(1, Ordering::SeqCst);
            self.finished.stop();
        }
    }

    /// Waits until every shard of the process is done: until then this one still answers them.
    pub async fn until_all_drained(&self) {
        self.finished.stopped().await;
        while self.at_work.load(Ordering::SeqCst) > 0 {
            rt::sleep(limits::TICK).await;
        }
    }
}

/// What is to be sent on each connection of one kind, by its place.
#[derive(Default)]
struct Outboxes(RefCell<Vec<Option<Rc<Outbox>>>>);

impl Outboxes {
    fn set(&self, place: usize, outbox: Option<Rc<Outbox>>) {
        let mut places = self.0.borrow_mut();
        if places.len() <= place {
            places.resize(place + 1, None);
        }
        if let Some(slot) = places.get_mut(place) {
            *slot = outbox;
        }
    }

    fn get(&self, place: usize) -> Option<Rc<Outbox>> {
        self.0.borrow().get(place).cloned().flatten()
    }
}

/// Where a shard's log lies.
pub struct LogPlace {
    /// Its directory.
    pub dir: PathBuf,
    /// Past the page cache, where the file system can.
    pub direct: bool,
}

impl LogPlace {
    /// Writes one batch; the first one opens the file.
    async fn write(
        &self,
        file: &mut Option<LogFile>,
        write: Write,
    ) -> (Write, Result<(), LogIoError>) {
        let open = match file {
            Some(open) => open,
            None => match LogFile::open(&self.dir, write.segment, self.direct).await {
                Ok(opened) => file.insert(opened),
                Err(error) => return (write, Err(error)),
            },
        };
        open.write(write).await
    }
}

async fn connect_to(address: &str) -> std::io::Result<rt::TcpStream> {
    let (host, port) = address.rsplit_once(':').ok_or(std::io::ErrorKind::InvalidInput)?;
    let port = port.parse().map_err(|_| std::io::ErrorKind::InvalidInput)?;
    let limit = limits::CONNECT_LIMIT;
    let found = rt::timeout(limit, rt::resolve(host, port)).await;
    let addresses = found.unwrap_or_else(|| Err(std::io::ErrorKind::TimedOut.into()))?;
    let mut last = std::io::ErrorKind::NotFound.into();
    for address in addresses {
        match rt::connect(address, limit).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}
