//! A simulated carrier: answers, refuses, throttles, forgets to answer, drops connections, and sends
//! receipts until they are answered. It speaks through the real session in the SMSC's role. One per
//! carrier of a world.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use postrider_core::text::{self, Encoding};
use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::ShortMessage;
use postrider_smpp::session::{BindKind, Event, Role, Session, SessionConfig, State};

use super::rng::Rng;

/// How ill a carrier behaves, in percent.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    pub throttle: u64,
    pub temporary: u64,
    pub refuse: u64,
    pub drop_connection: u64,
    pub never_answer: u64,
    pub receipt_first: u64,
    pub receipt_twice: u64,
    pub no_receipt: u64,
    pub undelivered: u64,
    /// Until then it refuses everything for a while.
    pub ill_until: Duration,
}

/// A part that the carrier took.
#[derive(Clone, Debug)]
pub struct Taken {
    pub octets: Vec<u8>,
    pub esm_class: u8,
    pub data_coding: u8,
}

/// A receipt, or a part of a message from a handset, that the gateway has not answered yet.
pub struct Pending {
    /// The handset, then whom it is for.
    pub source: String,
    pub dest: String,
    pub esm_class: u8,
    pub data_coding: u8,
    pub short_message: Vec<u8>,
    pub due: Duration,
    /// Which message from a handset it is, and which part of it.
    pub inbound: Option<(usize, u8)>,
}

pub struct Connection {
    pub session: Session,
    unanswered: VecDeque<(Duration, u32, u32, String)>,
}

pub struct Carrier {
    pub manners: Manners,
    pub connections: BTreeMap<u64, Connection>,
    /// By destination and part index: every time the carrier took it.
    pub taken: BTreeMap<(String, u8), Vec<Taken>>,
    receipts: Vec<Pending>,
    /// Parts of messages from handsets that were answered with ROK.
    pub inbound_taken: BTreeSet<(usize, u8)>,
    in_delivery: BTreeMap<u64, Pending>,
    next_id: u64,
    next_token: u64,
    pub window_seen: usize,
    /// Parts it took and never answered.
    pub silent: u64,
    /// When each part arrived.
    pub arrivals: Vec<Duration>,
    /// Connections that the carrier wants dropped.
    pub drops: Vec<u64>,
}

impl Carrier {
    pub fn new(manners: Manners, first_id: u64) -> Self {
        Carrier {
            manners,
            connections: BTreeMap::new(),
            taken: BTreeMap::new(),
            receipts: Vec::new(),
            inbound_taken: BTreeSet::new(),
            in_delivery: BTreeMap::new(),
            next_id: first_id,
            next_token: 1,
            window_seen: 0,
            silent: 0,
            arrivals: Vec::new(),
            drops: Vec::new(),
        }
    }

    pub fn connect(&mut self, now: Duration, connection: u64) {
        let config = SessionConfig {
            role: Role::Smsc,
            bind: BindKind::Transceiver,
            window: 10,
            enquire_link_interval: Duration::from_secs(600),
            ..SessionConfig::default()
        };
        let mut session = Session::new(config);
        session.handle_connected(now);
        let fresh = Connection { session, unanswered: VecDeque::new() };
        self.connections.insert(connection, fresh);
    }

    /// The connection is gone: receipts under way on it are sent again on another.
    pub fn disconnect(&mut self, now: Duration, connection: u64) {
        let Some(mut gone) = self.connections.remove(&connection) else { return };
        gone.session.handle_closed(now);
        while let Some(event) = gone.session.poll_event() {
            if let Event::OutcomeUnknown { token, .. } = event
                && let Some(mut receipt) = self.in_delivery.remove(&token)
            {
                receipt.due = now + Duration::from_millis(500);
                self.receipts.push(receipt);
            }
        }
    }

    pub fn receive(&mut self, now: Duration, connection: u64, octets: &[u8], rng: &mut Rng) {
        let Some(mut held) = self.connections.remove(&connection) else { return };
        held.session.handle_bytes(now, octets);
        let mut binds = Vec::new();
        let mut finished = Vec::new();
        let mut submits = Vec::new();
        while let Some(event) = held.session.poll_event() {
            match event {
                Event::BindRequested { sequence, .. } => binds.push(sequence),
                Event::Message { sequence, command, message }
                    if command == CommandId::SUBMIT_SM =>
                {
                    submits.push((sequence, owned(&message)));
                }
                Event::Response { token, status, .. } => finished.push((token, status)),
                _ => {}
            }
        }
        for sequence in binds {
            held.session.answer_bind(sequence, 0);
        }
        for (token, status) in finished {
            self.receipt_answered(now, token, status);
        }
        for (sequence, submit) in submits {
            self.submitted(now, connection, &mut held, sequence, submit, rng);
        }
        self.window_seen = self.window_seen.max(held.unanswered.len());
        self.connections.insert(connection, held);
    }

    fn receipt_answered(&mut self, now: Duration, token: u64, status: u32) {
        let Some(mut receipt) = self.in_delivery.remove(&token) else { return };
        if status != 0 {
            receipt.due = now + Duration::from_secs(1);
            self.receipts.push(receipt);
        } else if let Some(part) = receipt.inbound {
            self.inbound_taken.insert(part);
        }
    }

    fn submitted(
        &mut self,
        now: Duration,
        connection: u64,
        held: &mut Connection,
        sequence: u32,
        submit: Submit,
        rng: &mut Rng,
    ) {
        let manners = self.manners;
        self.arrivals.push(now);
        if rng.chance(manners.drop_connection) {
            self.drops.push(connection);
        }
        let delay = Duration::from_millis(1 + rng.below(200));
        let status = if rng.chance(manners.throttle) {
            0x58
        } else if now < manners.ill_until || rng.chance(manners.temporary) {
            0x08
        } else if rng.chance(manners.refuse) {
            0x0A
        } else {
            0
        };
        let mut id = String::new();
        if status == 0 {
            id = format!("{:010}", self.next_id);
            self.next_id += 1;
            self.take(now, &submit, &id, delay, rng);
        }
        if rng.chance(manners.never_answer) {
            self.silent += u64::from(status == 0);
        } else {
            held.unanswered.push_back((now + delay, sequence, status, id));
        }
    }

    fn take(&mut self, now: Duration, submit: &Submit, id: &str, answer: Duration, rng: &mut Rng) {
        let manners = self.manners;
        let key = (submit.dest.clone(), submit.index());
        self.taken.entry(key).or_default().push(submit.taken.clone());
        if rng.chance(manners.no_receipt) {
            return;
        }
        let state = if rng.chance(manners.undelivered) { "UNDELIV" } else { "DELIVRD" };
        let early = rng.chance(manners.receipt_first);
        let wait = if early { Duration::ZERO } else { answer };
        let copies = if rng.chance(manners.receipt_twice) { 2 } else { 1 };
        for _ in 0..copies {
            let text = format!(
                "id:{id} sub:001 dlvrd:001 submit date:2611241200 done date:2611241201 \
                 stat:{state} err:000 text:"
            );
            self.receipts.push(Pending {
                source: submit.dest.clone(),
                dest: submit.source.clone(),
                esm_class: 0x04,
                data_coding: 0,
                short_message: text.into_bytes(),
                due: now + wait + Duration::from_millis(rng.below(3_000)),
                inbound: None,
            });
        }
    }

    /// Sends what is due; says when it wants to be called again.
    pub fn tick(&mut self, now: Duration, rng: &mut Rng) -> Option<Duration> {
        for held in self.connections.values_mut() {
            held.session.handle_timeout(now);
            while held.session.poll_event().is_some() {}
            while held.unanswered.front().is_some_and(|(due, ..)| *due <= now) {
                let Some((_, sequence, status, id)) = held.unanswered.pop_front() else { break };
                let command = CommandId::SUBMIT_SM;
                held.session.respond(command, sequence, status, id.as_bytes());
            }
        }
        self.send_receipts(now, rng);
        let answers = self.connections.values().filter_map(|held| Some(held.unanswered.front()?.0));
        let timers = self.connections.values().filter_map(|held| held.session.poll_timeout());
        let receipts = self.receipts.iter().map(|receipt| receipt.due);
        answers.chain(timers).chain(receipts).min()
    }

    fn send_receipts(&mut self, now: Duration, rng: &mut Rng) {
        let waiting = std::mem::take(&mut self.receipts);
        for mut receipt in waiting {
            if receipt.due > now {
                self.receipts.push(receipt);
                continue;
            }
            let bound: Vec<u64> = self
                .connections
                .iter()
                .filter(|(_, held)| {
                    matches!(held.session.state(), State::Bound(_))
                        && held.session.window_free() > 0
                })
                .map(|(connection, _)| *connection)
                .collect();
            if bound.is_empty() {
                receipt.due = now + Duration::from_millis(300);
                self.receipts.push(receipt);
                continue;
            }
            let chosen = bound[rng.below(bound.len() as u64) as usize];
            let token = self.next_token;
            self.next_token += 1;
            let pdu = ShortMessage {
                source_ton: 1,
                source_npi: 1,
                source: receipt.source.as_bytes(),
                dest_ton: 1,
                dest_npi: 1,
                dest: receipt.dest.as_bytes(),
                esm_class: receipt.esm_class,
                data_coding: receipt.data_coding,
                short_message: &receipt.short_message,
                ..ShortMessage::default()
            };
            let held = self.connections.get_mut(&chosen).unwrap();
            held.session.submit(now, token, &pdu).unwrap();
            self.in_delivery.insert(token, receipt);
        }
    }

    /// A handset wrote.
    pub fn write(&mut self, part: Pending) {
        self.receipts.push(part);
    }

    /// Whether everything that it sent has been answered.
    pub fn is_quiet(&self) -> bool {
        self.receipts.is_empty() && self.in_delivery.is_empty()
    }

    /// The text that arrived for a number, from the first copy of each part.
    pub fn text(&self, dest: &str) -> Option<String> {
        let parts: Vec<&Taken> = self
            .taken
            .range((dest.to_owned(), 0)..=(dest.to_owned(), u8::MAX))
            .filter_map(|(_, copies)| copies.first())
            .collect();
        let first = parts.first()?;
        let encoding = if first.data_coding == 8 { Encoding::Ucs2 } else { Encoding::Gsm7 };
        let mut octets = Vec::new();
        let mut total = 1;
        for part in &parts {
            if part.esm_class & 0x40 != 0 {
                let (concat, body) = text::split_udh(&part.octets);
                total = usize::from(concat.unwrap().total);
                octets.extend_from_slice(body);
            } else {
                octets.extend_from_slice(&part.octets);
            }
        }
        (parts.len() == total).then(|| text::decode(encoding, &octets))
    }
}

struct Submit {
    source: String,
    dest: String,
    taken: Taken,
}

impl Submit {
    fn index(&self) -> u8 {
        if self.taken.esm_class & 0x40 == 0 {
            return 0;
        }
        text::split_udh(&self.taken.octets).0.map_or(0, |concat| concat.index)
    }
}

fn owned(message: &ShortMessage<'_>) -> Submit {
    Submit {
        source: String::from_utf8_lossy(message.source).into_owned(),
        dest: String::from_utf8_lossy(message.dest).into_owned(),
        taken: Taken {
            octets: message.short_message.to_vec(),
            esm_class: message.esm_class,
            data_coding: message.data_coding,
        },
    }
}
