//! Which carriers may take a message, how many parts its customer is promised, and the references
//! that tie its parts together. Pure; the counters are one per shard.

use std::hash::Hasher;

use postrider_core::clock::{Now, UnixMs};
use postrider_core::config::CarrierProfile;
use postrider_core::content::Content;
use postrider_core::number::Msisdn;
use postrider_core::operators::Resolved;
use postrider_core::route::{CarrierIx, Route};
use postrider_core::sender::SenderId;
use postrider_core::submission::Submission;
use postrider_core::text::Encoding;

use super::pdu::{cut, parts_on};
use super::{Shard, Shared};

/// Counters; pairs that share one still get consecutive values.
const COUNTERS: usize = 1 << 16;

/// Concatenation references: consecutive for each (sender, recipient), so that two messages to one
/// handset only meet again after 256 (or 65,536) others.
pub(crate) struct References {
    counters: Vec<u16>,
}

impl References {
    pub(crate) fn new() -> Self {
        References { counters: vec![0; COUNTERS] }
    }

    pub(crate) fn next(&mut self, sender: &SenderId, to: Msisdn) -> u16 {
        let Some(counter) = self.slot(sender, to) else { return 0 };
        *counter = counter.wrapping_add(1);
        *counter
    }

    /// After a restart the count goes on where the log left it.
    pub(crate) fn seen(&mut self, sender: &SenderId, to: Msisdn, reference: u16) {
        if let Some(counter) = self.slot(sender, to) {
            *counter = reference;
        }
    }

    /// The counters that have begun, by their places.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (u16, u16)> + '_ {
        let counters = (0..=u16::MAX).zip(&self.counters);
        counters.filter(|(_, count)| **count > 0).map(|(at, count)| (at, *count))
    }

    /// As they were told.
    pub(crate) fn of(counters: &[(u16, u16)]) -> Self {
        let mut references = References::new();
        for (at, count) in counters {
            if let Some(counter) = references.counters.get_mut(usize::from(*at)) {
                *counter = *count;
            }
        }
        references
    }

    fn slot(&mut self, sender: &SenderId, to: Msisdn) -> Option<&mut u16> {
        let mut hasher = siphasher::sip::SipHasher13::new();
        hasher.write(sender.as_text().as_bytes());
        hasher.write_u64(to.as_u64());
        let mask = u64::try_from(COUNTERS - 1).unwrap_or(0);
        let at = usize::try_from(hasher.finish() & mask).ok()?;
        self.counters.get_mut(at)
    }
}

impl Shard {
    /// The alphabet and the number of parts that a customer is promised: as counted when some routed
    /// carrier cuts the content so, else as the best of those does it that can take it at all.
    pub(super) fn promise(&self, now: Now, submission: &Submission) -> Option<(Encoding, u8)> {
        let Submission { to, content, encoding, parts, .. } = submission;
        self.promised(now, *to, content, (*encoding, *parts))
    }

    /// The same for content that was counted already.
    pub(super) fn promised(
        &self,
        now: Now,
        to: Msisdn,
        content: &Content,
        (encoding, parts): (Encoding, u8),
    ) -> Option<(Encoding, u8)> {
        let (route, _) = self.route_now(now, to)?;
        self.promised_on(route, content, (encoding, parts))
    }

    /// The same on a route that is known.
    pub(super) fn promised_on(
        &self,
        route: &Route,
        content: &Content,
        counted: (Encoding, u8),
    ) -> Option<(Encoding, u8)> {
        let profile = |carrier| self.shared.profile(Some(carrier));
        promised_by(route, profile, content, counted)
    }
}

/// What a customer is promised on a route of carriers with these profiles.
pub(super) fn promised_by<'p>(
    route: &Route,
    profile: impl Fn(CarrierIx) -> Option<&'p CarrierProfile> + Clone,
    content: &Content,
    (encoding, parts): (Encoding, u8),
) -> Option<(Encoding, u8)> {
    let candidates = route.candidates().iter();
    let mut profiles = candidates.filter_map(|candidate| profile(candidate.carrier));
    if profiles.clone().any(|own| parts_on(own, content) == Some(parts)) {
        return Some((encoding, parts));
    }
    profiles.find_map(|own| match content.text() {
        Some(text) => cut(own, text).map(|wire| (wire.encoding(), wire.part_count())),
        None => parts_on(own, content).map(|parts| (encoding, parts)),
    })
}

impl Shared {
    /// The route of a number, and what is known of who serves it.
    pub(super) fn route_of(&self, to: Msisdn, at: UnixMs) -> Option<(&Route, Resolved<'_>)> {
        let known = self.resolver.resolve(to, at);
        self.routes.find(to, &known).map(|route| (route, known))
    }
}

/// Whether a message has as many parts on a carrier as were promised.
pub(super) fn fits(shared: &Shared, carrier: CarrierIx, content: &Content, promised: u8) -> bool {
    let profile = shared.profile(Some(carrier));
    profile.is_some_and(|profile| parts_on(profile, content) == Some(promised))
}
