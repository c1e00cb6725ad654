//! The way to read: one message by id, a page of a customer's messages over all shards. A message
//! of another customer is as unknown as one that never was.

use postrider_core::clock::{Now, UnixMs};
use postrider_core::content::{Content, Retention};
use postrider_core::id::MessageId;
use postrider_core::lifecycle::PartStatus;
use postrider_core::text::{Decoded, DefaultAlphabet, decode_short_message};
use postrider_http::auth::CustomerIx;
use postrider_http::problem::{Code, Problem};
use postrider_http::request::ListQuery;
use postrider_http::response::{CarrierError, MessageView, PartView, TimelineEntry};

use super::erasing::redaction;
use super::fetch::{ListKey, ListTo, ShowTo, merge};
use super::mesh::{Call, CallId, Page, Request, Sought};
use super::message::{Envelope, Event, Message, NO_CARRIER};
use super::{ApiResponse, Shard, Shared};
use crate::stats::Counter;
use postrider_core::lifecycle::PartEvent;
use postrider_core::redact::Private;
use postrider_smpp::status::CommandStatus;

impl Shard {
    pub(super) fn get_request(
        &mut self,
        now: Now,
        ticket: u64,
        customer: CustomerIx,
        id: MessageId,
    ) {
        self.seek(now, ticket, Sought { customer, id, redact: false }, 0);
    }

    /// Asks the next shard that may know a message, when so many had nothing: its owner first, then
    /// those that keep logs in which it may have closed before the number of shards was changed.
    pub(super) fn seek(&mut self, now: Now, ticket: u64, sought: Sought, asked: u8) {
        let fields = self.shared.cipher.open(sought.id);
        let knowing = fields.map(|fields| self.shared.placement.knowing(fields.partition));
        let next = knowing.and_then(|shards| shards.get(usize::from(asked)).copied());
        let Sought { customer, id, redact } = sought;
        match next {
            None if redact => self.answer(ticket, redaction(Err(Problem::not_found()))),
            None => self.answer(ticket, found(None)),
            Some(shard) if shard == self.id => {
                let to = ShowTo::Ticket(ticket, asked);
                if redact {
                    self.redact_one(now, to, customer, id);
                } else {
                    self.find(now, to, customer, id);
                }
            }
            Some(shard) if self.mesh.has_room(shard) => {
                let call = self.mesh.open(&[shard], Call::Seek { ticket, sought, asked });
                self.request(shard, call, sought.request());
            }
            Some(_) => self.busy(ticket),
        }
    }

    pub(super) fn busy(&mut self, ticket: u64) {
        self.stats.inc(Counter::MeshRefused);
        self.answer(ticket, ApiResponse::Problem(Problem::overloaded(1)));
    }

    /// The number by which this shard knows the message of an id.
    pub(super) fn number_of(&self, id: MessageId) -> Option<u64> {
        let fields = self.shared.cipher.open(id)?;
        Some(self.shared.placement.number_in(self.id.0, fields))
    }

    /// A message in memory, if it is this customer's.
    pub(super) fn view_of(&self, customer: CustomerIx, id: MessageId) -> Option<MessageView> {
        let message = self.table.get(self.number_of(id)?)?;
        let own = message.envelope.customer == self.shared.customer_number(customer);
        (own && message.durable && message.envelope.id == id).then(|| view(&self.shared, message))
    }

    pub(super) fn list_request(
        &mut self,
        now: Now,
        ticket: u64,
        customer: CustomerIx,
        query: Box<ListQuery>,
    ) {
        if !self.mesh.has_room_everywhere() {
            return self.busy(ticket);
        }
        let peers: Vec<_> = self.mesh.peers().collect();
        let missing = u16::try_from(peers.len() + 1).unwrap_or(u16::MAX);
        let call = Call::List { ticket, limit: query.limit, pages: Vec::new(), missing };
        let id = self.mesh.open(&peers, call);
        for peer in peers {
            self.request(peer, id, Request::List { customer, query: query.clone() });
        }
        self.list(now, ListTo::Call(id), customer, query);
    }

    /// One shard's share of a list is there.
    pub(super) fn take_page(&mut self, id: CallId, call: Call, page: Page) {
        let Call::List { ticket, limit, mut pages, missing } = call else {
            panic!("a page for a call that is no list");
        };
        pages.push(page);
        let call = Call::List { ticket, limit, pages, missing: missing - 1 };
        if missing > 1 {
            self.mesh.keep(id, call);
        } else {
            self.finish_list(call);
        }
    }

    fn finish_list(&mut self, call: Call) {
        let Call::List { ticket, limit, pages, .. } = call else { return };
        let page = merge(pages, usize::from(limit));
        if page.damaged {
            let problem = Problem::new(Code::Internal, "Some messages cannot be read.");
            let problem = problem.because("a register is damaged: the next start makes it anew");
            return self.answer(ticket, ApiResponse::Problem(problem));
        }
        let items = page.items.into_iter().map(|(_, view)| view).collect();
        let next = page.looked_to.map(ListKey::cursor);
        self.answer(ticket, ApiResponse::Page { items, next });
    }
}

/// The answer to a look for one message.
pub(super) fn found(view: Option<Box<MessageView>>) -> ApiResponse {
    match view {
        Some(view) => ApiResponse::Message(view),
        None => ApiResponse::Problem(Problem::not_found()),
    }
}

/// Everything the customer may see of a message.
pub(super) fn view(shared: &Shared, message: &Message) -> MessageView {
    view_named(&|number| shared.carrier_name(number), message)
}

/// The names of carriers by their durable numbers.
pub(super) type CarrierNames<'n> = dyn Fn(u32) -> Option<&'n str> + 'n;

/// The same with carriers' names from elsewhere than the configuration.
pub(super) fn view_named(names: &CarrierNames<'_>, message: &Message) -> MessageView {
    let envelope = &message.envelope;
    let status = message.status();
    let (body, encoding) = body_of(envelope);
    let name = |number: u32| names(number).map(str::to_owned);
    let parts: Vec<PartView> = message
        .parts
        .iter()
        .zip(1u8..)
        .map(|(part, index)| PartView {
            index,
            status: message.shown(part),
            carrier_message_id: text_of(&part.carrier_message_id),
            carrier: name(part.carrier),
            error_code: part.error.as_deref().map(str::to_owned),
        })
        .collect();
    let failed = status.is_final() && status != PartStatus::Delivered;
    let error = if failed { parts.iter().find_map(|part| part.error_code.clone()) } else { None };
    MessageView {
        id: envelope.id,
        from: envelope.sender.as_text().as_str().to_owned(),
        to: envelope.to.e164().as_str().to_owned(),
        body: body.map(Private::new),
        retention: if message.is_apart() { Retention::Discard } else { Retention::Keep },
        lane: envelope.lane,
        encoding,
        segment_count: envelope.part_count,
        carrier: parts.iter().find_map(|part| part.carrier.clone()),
        status,
        error_code: error,
        carrier_errors: if failed { carrier_errors(names, message) } else { Vec::new() },
        client_reference: envelope.client_reference.as_deref().map(str::to_owned),
        created: envelope.accepted,
        submitted: message.submitted,
        finished: message.finished,
        cost_millicents: None,
        parts,
        timeline: timeline(names, message),
        redacted: envelope.redacted,
    }
}

/// The text of a message, unless it is gone, and the name of its alphabet; of what is no text the
/// octets in hexadecimal.
fn body_of(envelope: &Envelope) -> (Option<String>, &'static str) {
    let encoding = envelope.encoding.name();
    let octets = match &envelope.content {
        Content::Text(text) => return (Some(text.expose().to_string()), encoding),
        Content::Octets(octets) => octets,
        Content::Discarded => return (None, encoding),
    };
    let gsm = DefaultAlphabet::Gsm;
    match decode_short_message(octets.data_coding, gsm, &octets.udh, octets.data.expose()) {
        Decoded::Text(text) => (Some(text), encoding),
        Decoded::Binary(data) => {
            let digits = data.iter().flat_map(|octet| [octet >> 4, octet & 0xF]);
            let hex = digits.filter_map(|digit| char::from_digit(u32::from(digit), 16));
            (Some(hex.collect()), "binary")
        }
    }
}

/// The last word of each carrier that did not take or deliver a message, in the order of those.
fn carrier_errors(names: &CarrierNames<'_>, message: &Message) -> Vec<CarrierError> {
    let mut last: Vec<&Event> = Vec::new();
    for event in message.events.iter().filter(|event| is_refusal(event)) {
        last.retain(|earlier| earlier.carrier != event.carrier);
        last.push(event);
    }
    let errors = last.into_iter().map(|event| CarrierError {
        carrier: names(event.carrier).map(str::to_owned),
        status: CommandStatus(event.status).name().filter(|_| event.status != 0).map(str::to_owned),
        code: event.status,
        at: event.at,
        words: text_of(&event.detail),
    });
    errors.collect()
}

/// Whether an event has a carrier's word on why it did not take or deliver a part.
fn is_refusal(event: &Event) -> bool {
    let kinds =
        [PartEvent::Refused, PartEvent::Rejected, PartEvent::Undelivered, PartEvent::Expired];
    event.carrier != NO_CARRIER && kinds.contains(&event.kind)
}

fn timeline(names: &CarrierNames<'_>, message: &Message) -> Vec<TimelineEntry> {
    let entry = |at: UnixMs, event: &str| TimelineEntry {
        at,
        event: event.to_owned(),
        part: None,
        carrier: None,
        detail: None,
    };
    let mut entries = vec![entry(message.envelope.accepted, "accepted")];
    entries.extend(message.events.iter().map(|event| TimelineEntry {
        part: event.part.checked_add(1),
        carrier: names(event.carrier).map(str::to_owned),
        detail: detail(event),
        ..entry(event.at, event.kind.name())
    }));
    entries.extend(message.webhook_attempts.iter().map(|attempt| TimelineEntry {
        detail: (attempt.status != 0).then(|| attempt.status.to_string()),
        ..entry(attempt.at, attempt.outcome.name())
    }));
    entries.extend(message.receipts.iter().map(|end| entry(end.at, end.end.name())));
    entries.extend(message.redacted.map(|at| entry(at, "redacted")));
    entries
}

fn detail(event: &Event) -> Option<String> {
    // With a status it is no resubmission: the carrier did not take the part.
    if event.kind == PartEvent::Requeued && event.status == 0 {
        return Some(format!("resubmission {}", event.attempt));
    }
    if event.kind == PartEvent::Held {
        return Some(format!("round {} of attempts is over", event.attempt));
    }
    if event.kind == PartEvent::Attempted {
        return Some(format!("attempt {}", event.attempt));
    }
    text_of(&event.detail).or_else(|| {
        let status = CommandStatus(event.status);
        (event.status != 0).then(|| {
            status
                .name()
                .map_or_else(|| format!("command_status 0x{:08x}", event.status), str::to_owned)
        })
    })
}

fn text_of(octets: &[u8]) -> Option<String> {
    (!octets.is_empty()).then(|| String::from_utf8_lossy(octets).into_owned())
}
