//! The customer's own SMPP software: a transceiver on each shard that submits, takes receipts and
//! messages from handsets, now and then refuses or forgets one, drops connections and comes back. It
//! speaks through the real session in the ESME's role. One per world.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use postrider_core::text::{Concat, Udh, split_header};
use postrider_shards::shard::ConnIx;
use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::ShortMessage;
use postrider_smpp::receipt::parse_receipt;
use postrider_smpp::session::{BindKind, Event, Role, Session, SessionConfig};
use postrider_smpp::tlv::tag;

use super::happening::Happening;
use super::process::Step;
use super::rng::Rng;
use super::setup::number;
use super::world::{SHARDS, World};

/// How ill the customer behaves, in percent.
#[derive(Clone, Copy, Debug)]
pub struct Whims {
    pub full: u64,
    pub temporary: u64,
    pub never_answer: u64,
    pub drop_connection: u64,
}

impl Whims {
    pub fn new(rng: &mut Rng) -> Self {
        Whims {
            full: rng.below(10),
            temporary: rng.below(10),
            never_answer: rng.below(2),
            drop_connection: rng.below(3),
        }
    }
}

/// A message submitted over SMPP.
pub struct Submitted {
    pub number: String,
    pub text: String,
    /// The id that it was answered with.
    pub id: Option<String>,
}

/// One connection.
pub struct Line {
    serial: u64,
    conn: ConnIx,
    session: Session,
    /// The process that took the connection still runs.
    alive: bool,
    unanswered: VecDeque<(Duration, CommandId, u32, u32)>,
}

pub struct Customer {
    whims: Whims,
    /// By shard.
    lines: BTreeMap<usize, Line>,
    next_serial: u64,
    pub submitted: Vec<Submitted>,
    /// Submissions that are still to be sent.
    unsent: VecDeque<usize>,
    tick: Option<Duration>,
    /// The stat of every final receipt that it took, by id.
    pub receipts: BTreeMap<String, Vec<String>>,
    /// What handsets wrote, by handset and part, as often as it was taken.
    pub inbound: BTreeMap<String, BTreeMap<u8, Vec<Vec<u8>>>>,
    /// Deliveries that were not answered, and connections lost.
    pub silent: u64,
    pub lost: u64,
}

impl Customer {
    pub fn new(rng: &mut Rng) -> Self {
        Customer {
            whims: Whims::new(rng),
            lines: BTreeMap::new(),
            next_serial: 1,
            submitted: Vec::new(),
            unsent: VecDeque::new(),
            tick: None,
            receipts: BTreeMap::new(),
            inbound: BTreeMap::new(),
            silent: 0,
            lost: 0,
        }
    }

    /// Takes what a deliver_sm says.
    fn take(&mut self, message: &ShortMessage<'_>) {
        if let Some(receipt) = parse_receipt(message) {
            let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
            self.receipts.entry(text(receipt.id)).or_default().push(text(receipt.stat));
            return;
        }
        let text = message.text();
        let (udh, body) = if message.has_udh() { split_header(text) } else { (&[][..], text) };
        let sar = message.tlvs.get_int(tag::SAR_SEGMENT_SEQNUM);
        let index = match Udh::read(udh).concat {
            Some(Concat { index, .. }) => index,
            None => sar.map_or(1, |index| u8::try_from(index).unwrap()),
        };
        let handset = String::from_utf8(message.source.to_vec()).unwrap();
        self.inbound.entry(handset).or_default().entry(index).or_default().push(body.to_vec());
    }

    /// The first copies of what a handset wrote, in order.
    pub fn text_of(&self, handset: &str) -> Option<Vec<u8>> {
        let parts = self.inbound.get(handset)?;
        Some(parts.values().flat_map(|copies| copies[0].clone()).collect())
    }

    /// Deliveries beyond the first of each.
    pub fn duplicates(&self) -> u64 {
        let receipts = self.receipts.values().map(|copies| copies.len() - 1);
        let inbound = self.inbound.values().flatten().map(|(_, copies)| copies.len() - 1);
        receipts.chain(inbound).map(|more| more as u64).sum()
    }

    /// Whether every acknowledged message has its receipt.
    pub fn is_served(&self) -> bool {
        let told = |id: &String| self.receipts.contains_key(id);
        self.submitted.iter().filter_map(|submitted| submitted.id.as_ref()).all(told)
    }
}

impl World {
    /// What the customer will do over SMPP.
    pub(super) fn plan_customer(&mut self) {
        for shard in 0..usize::from(SHARDS) {
            self.at(self.now, Happening::CustomerConnect { shard });
        }
        for index in 0..8 + self.rng.below(12) {
            let country = if self.rng.chance(50) { "4478009" } else { "3361239" };
            let number = number(country, index);
            self.customer.submitted.push(Submitted {
                number,
                text: format!("smpp {index}"),
                id: None,
            });
            let at = self.now + Duration::from_millis(2_000 + self.rng.below(20_000));
            self.at(at, Happening::CustomerSubmit(usize::try_from(index).unwrap()));
        }
    }

    pub(super) fn customer_connect(&mut self, shard: usize) {
        let peer = "192.0.2.7".parse().unwrap();
        let now = self.clock();
        let connected =
            self.shards.get_mut(shard).and_then(|own| own.handle_customer_connected(now, peer));
        let Some(conn) = connected else {
            let later = self.now + Duration::from_millis(500);
            self.at(later, Happening::CustomerConnect { shard });
            return;
        };
        let mut session = Session::new(SessionConfig {
            role: Role::Esme,
            bind: BindKind::Transceiver,
            system_id: "acme".into(),
            password: "secret".into(),
            window: 5,
            enquire_link_interval: Duration::from_secs(600),
            ..SessionConfig::default()
        });
        session.handle_connected(self.now);
        let customer = &mut self.customer;
        let serial = customer.next_serial;
        customer.next_serial += 1;
        let unanswered = VecDeque::new();
        customer.lines.insert(shard, Line { serial, conn, session, alive: true, unanswered });
        self.drive(shard);
        self.drive_customer(shard);
    }

    /// A connection is over for both ends; the customer comes back.
    pub(super) fn customer_closed(&mut self, shard: usize, serial: u64) {
        let Some(mut line) = self.customer.lines.remove(&shard) else { return };
        if line.serial != serial {
            self.customer.lines.insert(shard, line);
            return;
        }
        line.session.handle_closed(self.now);
        self.customer.lost += 1;
        let now = self.clock();
        if line.alive {
            self.shards[shard].handle_customer_closed(now, line.conn);
            self.drive(shard);
        }
        let later = self.now + Duration::from_millis(100 + self.rng.below(3_000));
        self.at(later, Happening::CustomerConnect { shard });
    }

    /// The process died: both connections end.
    pub(super) fn customer_killed(&mut self) {
        let mut lines = Vec::new();
        for (shard, line) in &mut self.customer.lines {
            line.alive = false;
            lines.push((*shard, line.serial));
        }
        for (shard, serial) in lines {
            self.soon(2_000, Happening::CustomerClosed { shard, serial });
        }
    }

    pub(super) fn customer_submit(&mut self, index: usize) {
        self.customer.unsent.push_back(index);
        for shard in 0..usize::from(SHARDS) {
            self.drive_customer(shard);
        }
    }

    /// Octets for the customer.
    pub(super) fn customer_hears(&mut self, shard: usize, serial: u64, octets: &[u8]) {
        if let Some(line) = self.customer.lines.get_mut(&shard).filter(|l| l.serial == serial) {
            line.session.handle_bytes(self.now, octets);
        }
        self.drive_customer(shard);
    }

    /// Octets from the customer.
    pub(super) fn customer_said(&mut self, shard: usize, serial: u64, octets: &[u8]) {
        let line = self.customer.lines.get(&shard).filter(|line| line.serial == serial);
        let Some(conn) = line.filter(|line| line.alive).map(|line| line.conn) else { return };
        let now = self.clock();
        self.shards[shard].handle_customer_bytes(now, conn, octets);
        self.drive_after(shard, Step::TookCustomer);
    }

    pub(super) fn flush_customer(&mut self, shard: usize, conn: ConnIx) {
        let mut octets = Vec::new();
        self.shards[shard].take_customer_output(conn, &mut octets);
        self.check_shown("a PDU", &octets);
        let Some(serial) = self.serial_of(shard, conn) else { return };
        if !octets.is_empty() {
            let at = self.now + Duration::from_millis(1);
            self.at(at, Happening::ToCustomer { shard, serial, octets });
        }
    }

    pub(super) fn close_customer(&mut self, shard: usize, conn: ConnIx) {
        self.flush_customer(shard, conn);
        if let Some(serial) = self.serial_of(shard, conn) {
            self.soon(500, Happening::CustomerClosed { shard, serial });
        }
    }

    fn serial_of(&self, shard: usize, conn: ConnIx) -> Option<u64> {
        let line = self.customer.lines.get(&shard)?;
        (line.alive && line.conn == conn).then_some(line.serial)
    }

    pub(super) fn customer_tick(&mut self, due: Duration) {
        if self.customer.tick != Some(due) {
            return;
        }
        self.customer.tick = None;
        for shard in 0..usize::from(SHARDS) {
            self.drive_customer(shard);
        }
    }

    /// Lets a connection of the customer go as far as it can at this moment.
    fn drive_customer(&mut self, shard: usize) {
        let Some(mut line) = self.customer.lines.remove(&shard) else { return };
        line.session.handle_timeout(self.now);
        let gone = self.customer_events(&mut line);
        while line.unanswered.front().is_some_and(|(due, ..)| *due <= self.now) {
            let (_, command, sequence, status) = line.unanswered.pop_front().unwrap();
            line.session.respond(command, sequence, status, b"");
        }
        self.submit_on(&mut line);
        let mut octets = Vec::new();
        line.session.take_output(&mut octets);
        let serial = line.serial;
        if !octets.is_empty() {
            let at = self.now + Duration::from_millis(1);
            self.at(at, Happening::FromCustomer { shard, serial, octets });
        }
        let timers = [line.unanswered.front().map(|(due, ..)| *due), line.session.poll_timeout()];
        self.customer.lines.insert(shard, line);
        if gone {
            self.soon(300, Happening::CustomerClosed { shard, serial });
        }
        if let Some(due) = timers.into_iter().flatten().min()
            && self.customer.tick.is_none_or(|standing| due < standing)
        {
            self.customer.tick = Some(due);
            let at = due.max(self.now + Duration::from_micros(100));
            self.at(at, Happening::CustomerTick { due });
        }
    }

    fn submit_on(&mut self, line: &mut Line) {
        while line.session.window_free() > 0 {
            let Some(index) = self.customer.unsent.pop_front() else { return };
            let Submitted { number, text, .. } = &self.customer.submitted[index];
            let submit = ShortMessage {
                source_ton: 5,
                source: b"Acme",
                dest_ton: 1,
                dest_npi: 1,
                dest: number.as_bytes(),
                priority_flag: u8::try_from(index % 4).unwrap(),
                // Five minutes.
                validity_period: b"000000000500000R",
                registered_delivery: 1,
                short_message: text.as_bytes(),
                ..ShortMessage::default()
            };
            line.session.submit(self.now, index as u64, &submit).unwrap();
        }
    }

    /// Takes what came; says whether the connection is to end.
    fn customer_events(&mut self, line: &mut Line) -> bool {
        let mut gone = false;
        while let Some(event) = line.session.poll_event() {
            match event {
                Event::Response { token, status: 0, message_id, .. } => {
                    let id = String::from_utf8(message_id.to_vec()).unwrap();
                    self.customer.submitted[token as usize].id = Some(id);
                }
                Event::Message { sequence, command, message } => {
                    let whims = self.customer.whims;
                    gone |= self.rng.chance(whims.drop_connection);
                    let due = self.now + Duration::from_millis(self.rng.below(300));
                    let last = line.unanswered.back().map_or(due, |(last, ..)| due.max(*last));
                    if self.rng.chance(whims.never_answer) {
                        self.customer.silent += 1;
                    } else if self.rng.chance(whims.full) {
                        line.unanswered.push_back((last, command, sequence, 0x14));
                    } else if self.rng.chance(whims.temporary) {
                        line.unanswered.push_back((last, command, sequence, 0x64));
                    } else {
                        self.customer.take(&message);
                        line.unanswered.push_back((last, command, sequence, 0));
                    }
                }
                Event::Close { .. } => gone = true,
                _ => {}
            }
        }
        gone
    }
}
