//! The rig with carriers that bind by themselves and whose answers to submits the test gives one by
//! one. One per test. Test code, pure.

use std::collections::VecDeque;
use std::time::Duration;

use postrider_core::config::{CarrierConfig, Config};
use postrider_core::id::MessageId;
use postrider_core::submission::Submission;
use postrider_http::request::ApiRequest;
use postrider_shards::shard::{Accepted, ApiResponse, BindIx, kinds};
use postrider_shards::stats::Counter;
use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::{Body, ShortMessage, decode, encode_message, next_frame};
use postrider_smpp::tlv::Tlvs;

use super::pdu::{self, Pdu};
use super::{CUSTOMER, Rig, Undecided};

/// The number that tests send to, unless they need another.
pub(crate) const HANDSET: &str = "447700900123";

/// A configuration of these carriers, one bind each, all of them on the one route.
pub(crate) fn config(carriers: &[&str]) -> Config {
    let route = format!("[[routes]]\nprefix = \"44\"\ncarriers = {carriers:?}\n");
    config_with_route(carriers, &route)
}

/// As [`config`], with this route.
pub(crate) fn config_with_route(carriers: &[&str], route: &str) -> Config {
    let mut text = format!("[server]\nshards = 1\n{CUSTOMER}");
    for name in carriers {
        text += &format!(
            "[[carriers]]\nname = \"{name}\"\naddress = \"{name}:2775\"\nsystem_id = \"{name}\"\n\
             password = \"p\"\nbinds = 1\nwindow = 4\nenquire_link_seconds = 3600\n"
        );
    }
    text += route;
    Config::parse(&text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// As [`config`], the one carrier "alpha" changed by `change`.
pub(crate) fn alpha(change: impl FnOnce(&mut CarrierConfig)) -> Config {
    let mut config = config(&["alpha"]);
    change(&mut config.carriers[0]);
    config
}

/// A submit_sm or data_sm that a carrier got.
#[derive(Clone, Debug)]
pub(crate) struct Submit {
    pub(crate) bind: BindIx,
    pub(crate) pdu: Pdu,
}

impl Submit {
    /// Lets `read` look at its fields.
    pub(crate) fn message<R>(&self, read: impl FnOnce(&ShortMessage<'_>) -> R) -> R {
        let whole = self.pdu.octets();
        let (frame, _) = next_frame(&whole, 70_000).unwrap().unwrap();
        match decode(&frame) {
            Ok(Body::Message(message)) => read(&message),
            other => panic!("no message: {other:?}"),
        }
    }

    /// Its user data as it stands on the wire.
    pub(crate) fn text(&self) -> Vec<u8> {
        self.message(|message| message.text().to_vec())
    }
}

/// What a carrier's receipt says, and how.
#[derive(Clone, Debug)]
pub(crate) struct Receipt<'a> {
    pub(crate) id: &'a str,
    pub(crate) stat: &'a str,
    pub(crate) source: &'a str,
    pub(crate) dest: &'a str,
    pub(crate) esm_class: u8,
    pub(crate) tlvs: Vec<u8>,
    pub(crate) command: CommandId,
}

impl<'a> Receipt<'a> {
    /// A receipt of a message from "Acme" to [`HANDSET`].
    pub(crate) fn of(id: &'a str, stat: &'a str) -> Self {
        Receipt {
            id,
            stat,
            source: HANDSET,
            dest: "Acme",
            esm_class: 4,
            tlvs: Vec::new(),
            command: CommandId::DELIVER_SM,
        }
    }

    /// With a TLV.
    pub(crate) fn with(mut self, tag: u16, value: &[u8]) -> Self {
        self.tlvs.extend_from_slice(&pdu::tlv(tag, value));
        self
    }
}

/// See the module.
pub(crate) struct Gateway {
    pub(crate) rig: Rig,
    binds: usize,
    next_sequence: u32,
    /// Binds whose carrier nobody answers for.
    pub(crate) unreachable: Vec<BindIx>,
    /// Binds whose carrier reads what it is sent and says nothing.
    pub(crate) mute: Vec<BindIx>,
    /// The status with which binds are answered; `None`: not at all.
    pub(crate) bind_status: Option<u32>,
    /// The bind requests that carriers got, in order.
    pub(crate) asked: Vec<(BindIx, Pdu)>,
    /// What carriers got and nobody has looked at.
    pub(crate) submits: VecDeque<Submit>,
    /// Answers to what carriers sent.
    pub(crate) answers: Vec<Pdu>,
}

impl Gateway {
    /// A shard whose carriers are bound.
    pub(crate) fn new(config: Config) -> Self {
        Self::with_segments(config, 64)
    }

    /// As `new`, with a log of so many segments.
    pub(crate) fn with_segments(config: Config, segments: u32) -> Self {
        let sessions =
            |carrier: &CarrierConfig| usize::from(carrier.binds) * kinds(carrier.bind).len();
        let binds = config.carriers.iter().map(sessions).sum();
        let mut gateway = Gateway {
            rig: Rig::with(config, segments),
            binds,
            next_sequence: 1,
            unreachable: Vec::new(),
            mute: Vec::new(),
            bind_status: Some(0),
            asked: Vec::new(),
            submits: VecDeque::new(),
            answers: Vec::new(),
        };
        gateway.play();
        gateway
    }

    /// Lets the carriers do what they do by themselves.
    pub(crate) fn play(&mut self) {
        loop {
            let mut idle = true;
            for bind in 0..self.binds {
                if self.rig.wants(bind) {
                    idle = false;
                    if self.unreachable.contains(&bind) {
                        self.rig.refuse_connect(bind);
                    } else {
                        self.rig.connect(bind);
                    }
                }
                for pdu in self.rig.received(bind) {
                    idle = false;
                    self.carrier_reads(bind, pdu);
                }
            }
            if idle {
                return;
            }
        }
    }

    fn carrier_reads(&mut self, bind: BindIx, pdu: Pdu) {
        match pdu.command {
            pdu::SUBMIT | pdu::DATA => self.submits.push_back(Submit { bind, pdu }),
            _ if self.mute.contains(&bind) => {}
            1 | 2 | pdu::BIND_TRX => {
                self.asked.push((bind, pdu.clone()));
                let Some(status) = self.bind_status else { return };
                let body: &[u8] = if status == 0 { b"carrier\0" } else { b"" };
                self.respond(bind, &pdu, status, body);
            }
            pdu::UNBIND | pdu::ENQUIRE => self.respond(bind, &pdu, 0, b""),
            _ => self.answers.push(pdu),
        }
    }

    fn respond(&mut self, bind: BindIx, request: &Pdu, status: u32, body: &[u8]) {
        if self.rig.is_open(bind) {
            let answer = Pdu::new(request.command | pdu::NACK, status, request.sequence, body);
            self.rig.send(bind, &[answer]);
        }
    }

    /// The shard goes by another configuration.
    pub(crate) fn reload(&mut self, config: Config) {
        self.rig.reload(config);
        self.binds = self.rig.stats.binds().count();
        self.play();
    }

    /// Time passes.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.rig.now + time;
        while self.rig.now < until {
            self.rig.tick(until);
            self.play();
        }
    }

    /// Time passes.
    pub(crate) fn seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    /// The process is killed and starts again at once.
    pub(crate) fn crash(self) -> Self {
        self.crash_with(Undecided::Lost)
    }

    pub(crate) fn crash_with(self, writing: Undecided) -> Self {
        self.crash_and_hold(writing, false)
    }

    /// The same; `held`: the disk is slow with what the start writes.
    pub(crate) fn crash_and_hold(self, writing: Undecided, held: bool) -> Self {
        let rig = self.rig.crash_and_hold(Duration::ZERO, writing, held);
        let (submits, answers) = (VecDeque::new(), Vec::new());
        let mut gateway = Gateway { rig, submits, answers, ..self };
        gateway.play();
        gateway
    }

    /// The process stops in order and starts again.
    pub(crate) fn restart(mut self) -> Self {
        self.rig.shard.handle_drain(self.rig.at());
        self.seconds(30);
        self.crash()
    }

    // --- the customer ---

    /// A message from "Acme" to [`HANDSET`].
    pub(crate) fn send(&mut self, text: &str) -> MessageId {
        self.post(&format!(r#"{{"from":"Acme","to":"+{HANDSET}","body":"{text}"}}"#))
    }

    pub(crate) fn post(&mut self, body: &str) -> MessageId {
        let id = self.rig.post(body).unwrap();
        self.play();
        id
    }

    /// A message as an edge hands it over.
    pub(crate) fn submit_as(&mut self, submission: Submission) -> Accepted {
        let answer = self.rig.ask(ApiRequest::Submit(submission));
        self.play();
        match answer {
            ApiResponse::Accepted(accepted) => accepted,
            other => panic!("{other:?}"),
        }
    }

    /// As [`Gateway::send`] while the disk is held.
    pub(crate) fn send_without_answer(&mut self, text: &str) {
        let body = format!(r#"{{"from":"Acme","to":"+{HANDSET}","body":"{text}"}}"#);
        self.rig.post_without_answer(&body);
        self.play();
    }

    /// While the disk is held: the write under way gets through.
    pub(crate) fn write_one(&mut self) {
        self.rig.write_one();
        self.play();
    }

    pub(crate) fn status(&mut self, id: MessageId) -> &'static str {
        self.rig.status(id)
    }

    /// What happened to a message: the words of its timeline, with their details.
    pub(crate) fn timeline(&mut self, id: MessageId) -> Vec<String> {
        let entries = self.rig.view(id).timeline.into_iter();
        entries
            .map(|entry| match entry.detail {
                Some(detail) => format!("{} {detail}", entry.event),
                None => entry.event,
            })
            .collect()
    }

    pub(crate) fn count(&self, counter: Counter) -> u64 {
        self.rig.count(counter)
    }

    // --- the carriers ---

    /// The oldest submit that nobody has looked at.
    pub(crate) fn submit(&mut self) -> Submit {
        self.submits.pop_front().expect("a submit_sm")
    }

    /// The carrier answers a submit.
    pub(crate) fn answer(&mut self, submit: &Submit, status: u32, id: &str) {
        let body = if status == 0 { [id.as_bytes(), b"\0"].concat() } else { Vec::new() };
        self.respond(submit.bind, &submit.pdu, status, &body);
        self.play();
    }

    /// The carrier takes the oldest submit; gives it.
    pub(crate) fn accept(&mut self, id: &str) -> Submit {
        let submit = self.submit();
        self.answer(&submit, 0, id);
        submit
    }

    /// The carrier refuses the oldest submit; gives it.
    pub(crate) fn refuse(&mut self, status: u32) -> Submit {
        let submit = self.submit();
        self.answer(&submit, status, "");
        submit
    }

    /// A carrier sends a receipt; gives the status of the answer.
    pub(crate) fn receipt(&mut self, bind: BindIx, receipt: &Receipt<'_>) -> Option<u32> {
        let text = pdu::receipt_text(receipt.id, receipt.stat);
        self.receipt_text(bind, receipt, text.as_bytes())
    }

    /// As [`Gateway::receipt`], with another text.
    pub(crate) fn receipt_text(
        &mut self,
        bind: BindIx,
        receipt: &Receipt<'_>,
        text: &[u8],
    ) -> Option<u32> {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let mut tlvs = receipt.tlvs.clone();
        let in_payload = receipt.command == CommandId::DATA_SM;
        if in_payload {
            tlvs.extend_from_slice(&pdu::tlv(0x0424, text));
        }
        let message = ShortMessage {
            source_ton: 1,
            source_npi: 1,
            source: receipt.source.as_bytes(),
            dest_ton: 5,
            dest: receipt.dest.as_bytes(),
            esm_class: receipt.esm_class,
            short_message: if in_payload { b"" } else { text },
            tlvs: Tlvs::new(&tlvs),
            ..ShortMessage::default()
        };
        let mut octets = Vec::new();
        encode_message(&mut octets, receipt.command, sequence, &message).unwrap();
        self.answers.clear();
        self.rig.send_octets(bind, &octets);
        self.play();
        // What nobody waits for is on disk 2 ms later.
        self.pass(Duration::from_millis(3));
        let answer = self.answers.iter().find(|pdu| pdu.sequence == sequence);
        answer.map(|pdu| pdu.status)
    }

    /// The connection of a bind is lost.
    pub(crate) fn lose(&mut self, bind: BindIx) {
        self.rig.lose(bind);
        self.play();
    }
}
