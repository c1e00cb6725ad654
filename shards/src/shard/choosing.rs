//! Which carrier gets a message: the facts for the decision, when it is asked again, and what answers
//! and receipts teach it. Part of the shard's machine.

use postrider_core::clock::Now;
use postrider_core::content::Content;
use postrider_core::lane::Lane;
use postrider_core::lifecycle::PartEvent;
use postrider_core::retry::Next;
use postrider_core::route::{Ask, Barred, CarrierIx, Decision, Facts, Market, Route, decide, draw};

use super::message::{Envelope, Message, Part, Way};
use super::submit::fits;
use super::table::PartRef;
use super::{CarrierIds, Shard};

/// The message for which is decided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) sequence: u64,
    pub(super) lane: Lane,
    /// The carrier in whose queue it is. It does not wait for itself there: where it is makes no
    /// difference to the decision, or it would go to and fro.
    pub(super) queued_on: Option<CarrierIx>,
}

impl Asker {
    fn of(message: &Message) -> Self {
        let (sequence, lane) = (message.envelope.sequence, message.envelope.lane);
        Asker { sequence, lane, queued_on: message.queued_on }
    }
}

impl Shard {
    /// The carrier for a message: the one that took parts of it already, since a handset can only
    /// join what came one way; else the one that is trying it, while it is usable; else as decided.
    /// Who serves the recipient is looked up once for as long as it waits.
    pub(super) fn choose(&mut self, now: Now, sequence: u64) -> Option<CarrierIx> {
        let message = self.table.get(sequence)?;
        if let Some(number) = message.committed_to() {
            return self.shared.carrier_of(number).filter(|_| !message.ladder.bars(number));
        }
        if let Some(carrier) = self.tried_by(message) {
            return Some(carrier);
        }
        if !message.ladder.is_untouched() && self.next_on_ladder(now, message) != Next::Ask {
            return None;
        }
        let way = self.way_of(now, message)?;
        let route = self.shared.routes.get(way.route)?;
        let of = Asker::of(message);
        let barred = |carrier| self.barred(message, carrier);
        let chosen = self.decide(now, (route, way.market), of, barred).carrier;
        self.table.get_mut(sequence)?.way = Some(way);
        chosen
    }

    /// The way of a message, as it is known or as it is now.
    pub(super) fn way_of(&self, now: Now, message: &Message) -> Option<Way> {
        let generation = self.shared.generation;
        if let Some(known) = message.way.filter(|way| way.generation == generation) {
            return Some(known);
        }
        let known = self.resolve(now, message.envelope.to);
        let route = self.shared.routes.place(message.envelope.to, &known)?;
        Some(Way { route, market: Market::of(&known), generation })
    }

    /// Decides for a message; `barred` says which carriers cannot have it.
    pub(super) fn decide(
        &self,
        now: Now,
        (route, market): (&Route, Market),
        asker: Asker,
        barred: impl Fn(CarrierIx) -> Option<Barred>,
    ) -> Decision {
        let ask = Ask {
            route,
            market,
            now: now.mono,
            draw: draw(asker.sequence),
            figures: &self.figures,
            rules: &self.shared.config.routing,
        };
        decide(&ask, |carrier| Facts {
            barred: barred(carrier),
            usable: self.outbound.usable(carrier, asker.queued_on),
            room: self.outbound.has_room(carrier, now.mono, asker),
            load: self.outbound.load(carrier, now.mono),
            suspect: self.shared.learned.of(carrier).is_some_and(CarrierIds::is_suspect),
        })
    }

    /// The carrier that has a part in hand, or is to get one again, while it is usable: all parts go
    /// one way.
    fn tried_by(&self, message: &Message) -> Option<CarrierIx> {
        let held = |part: &Part| part.in_flight || part.recording || part.attempted || part.lost;
        let tried = |part: &&Part| held(part) || part.tries > 0 || part.resubmits > 0;
        let numbers = message.parts.iter().filter(tried).map(|part| part.carrier);
        let numbers = numbers.filter(|number| !message.ladder.bars(*number));
        let mut carriers = numbers.filter_map(|number| self.shared.carrier_of(number));
        carriers.find(|carrier| self.outbound.usable(*carrier, message.queued_on))
    }

    pub(super) fn barred(&self, message: &Message, carrier: CarrierIx) -> Option<Barred> {
        if message.ladder.bars(self.shared.carrier_number(carrier)) {
            return Some(Barred::Refused);
        }
        (!self.fits(message, carrier)).then_some(Barred::Unfit)
    }

    /// Whether the carrier can have a message in as many parts as were promised.
    pub(super) fn fits(&self, message: &Message, carrier: CarrierIx) -> bool {
        let Envelope { content, part_count, .. } = &message.envelope;
        // Of a content that is not there nobody can tell.
        *content == Content::Discarded || fits(&self.shared, carrier, content, *part_count)
    }

    /// The next message of a carrier's queue has to wait: it goes to another one that has room, when
    /// the decision says so.
    pub(super) fn overflows(&mut self, now: Now, ix: CarrierIx, sequence: u64) -> bool {
        let Some(message) = self.table.get(sequence) else { return false };
        let lane = message.envelope.lane;
        let anew = Asker { queued_on: None, ..Asker::of(message) };
        let other = self.choose(now, sequence).filter(|other| *other != ix);
        if let Some(other) = other.filter(|other| self.outbound.has_room(*other, now.mono, anew)) {
            self.unqueue(sequence);
            self.enqueue(other, sequence, true);
            return true;
        }
        let stuck = (ix, lane);
        if !self.outbound.has_room(ix, now.mono, anew) && !self.outbound.stuck.contains(&stuck) {
            self.outbound.stuck.push(stuck);
        }
        false
    }

    /// A carrier did what it could: when it has room still, others may have something for it.
    pub(super) fn offer_room(&mut self, now: Now, ix: CarrierIx) {
        if self.outbound.stuck.is_empty() {
            return;
        }
        let roomy = Lane::ALL.map(|lane| {
            let asker = Asker { sequence: 0, lane, queued_on: None };
            self.outbound.has_room(ix, now.mono, asker)
        });
        let helps = |(_, lane): &mut (CarrierIx, Lane)| roomy.get(lane.index()) == Some(&true);
        let stuck: Vec<_> = self.outbound.stuck.extract_if(.., helps).collect();
        stuck.into_iter().for_each(|(stuck, _)| self.outbound.touch(stuck));
    }
}

// ---- What traffic teaches ----

impl Shard {
    /// A receipt ended a part.
    pub(super) fn learn_from_receipt(
        &mut self,
        now: Now,
        part: PartRef,
        carrier: CarrierIx,
        kind: PartEvent,
    ) {
        let Some(market) = self.market_of(now, part) else { return };
        match kind {
            PartEvent::Delivered => {
                let sent = self.part(part).and_then(|held| held.sent);
                let took = sent.map(|sent| now.wall.since(sent));
                self.figures.delivered(now.mono, carrier, market, took);
            }
            PartEvent::Undelivered | PartEvent::Expired | PartEvent::Rejected => {
                self.figures.failed(now.mono, carrier, market);
            }
            // By these nothing has ended, or not by a receipt.
            PartEvent::Held
            | PartEvent::Released
            | PartEvent::Submitted
            | PartEvent::Refused
            | PartEvent::OutcomeUnknown
            | PartEvent::Requeued
            | PartEvent::Intermediate
            | PartEvent::Failed
            | PartEvent::Canceled
            | PartEvent::TimedOut
            | PartEvent::LateReceipt
            | PartEvent::Attempted
            | PartEvent::AcceptedLate => {}
        }
    }

    /// A carrier refused a part that another one may take.
    pub(super) fn learn_of_refusal(&mut self, now: Now, part: PartRef, carrier: CarrierIx) {
        if let Some(market) = self.market_of(now, part) {
            self.figures.failed(now.mono, carrier, market);
        }
    }

    /// A carrier took a part; without receipts nothing more will be known of it.
    pub(super) fn learn_of_acceptance(&mut self, now: Now, part: PartRef, carrier: CarrierIx) {
        let config = self.shared.config.carriers.get(usize::from(carrier.0));
        if config.is_some_and(|config| config.receipts) {
            return;
        }
        if let Some(market) = self.market_of(now, part) {
            self.figures.delivered(now.mono, carrier, market, None);
        }
    }

    /// `None` for a message whose recipient is gone.
    fn market_of(&self, now: Now, part: PartRef) -> Option<Market> {
        let envelope = &self.table.get(part.sequence)?.envelope;
        let to = Some(envelope.to).filter(|_| !envelope.redacted)?;
        Some(Market::of(&self.resolve(now, to)))
    }
}
