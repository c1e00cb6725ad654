//! Messages from handsets to the gateway's customers: when they come, what they say, in which parts.
//! Pure; one generator per carrier.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::ensure;
use postrider_core::config::{AlphabetConfig, Concatenation};
use postrider_core::text::Wire;
use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::ShortMessage;

/// `esm_class` bit 6: the text begins with a user data header (SMPP 3.4 section 5.2.12).
const UDHI: u8 = 0x40;

/// The first handset; so many write in turn.
const FIRST_HANDSET: u64 = 447_700_900_000;
/// See [`FIRST_HANDSET`].
const HANDSETS: u64 = 1_000;

/// Which messages handsets send. All apply to each carrier.
#[derive(clap::Args, Clone, Debug)]
pub struct InboundOptions {
    /// The number or short code that handsets write to; repeat it for more [default: none writes]
    #[arg(long, value_name = "NUMBER")]
    pub inbound_to: Vec<String>,
    /// Messages from handsets a second
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub inbound_rate: u32,
    /// Messages from handsets in all. 0: without end
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub inbound_count: u64,
    /// Every Nth message from a handset is long, its parts in odd order every other time. 0: none
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub inbound_long_every: u64,
}

impl Default for InboundOptions {
    fn default() -> Self {
        Self { inbound_to: Vec::new(), inbound_rate: 10, inbound_count: 0, inbound_long_every: 0 }
    }
}

impl InboundOptions {
    /// Refuses what makes no sense.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(self.inbound_to.is_empty() || self.inbound_rate > 0, "--inbound-rate: at least 1");
        let fits = |number: &String| (1..=20).contains(&number.len()) && number.is_ascii();
        ensure!(self.inbound_to.iter().all(fits), "--inbound-to: 1 to 20 ASCII characters");
        Ok(())
    }
}

/// One message from a handset.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) text: String,
    /// Parts that the gateway has not acknowledged.
    pub(super) left: Cell<usize>,
}

/// One part of a message from a handset.
#[derive(Debug)]
pub(super) struct InboundPart {
    /// When it is to be sent, monotonic.
    pub(super) due: Duration,
    pub(super) written: Rc<Written>,
    pub(super) esm_class: u8,
    pub(super) data_coding: u8,
    pub(super) short_message: Vec<u8>,
}

impl InboundPart {
    /// Lends the part as the carrier sends it to `send`.
    pub(super) fn with_message<R>(
        &self,
        send: impl FnOnce(CommandId, &ShortMessage<'_>) -> R,
    ) -> R {
        let message = ShortMessage {
            source_ton: 1,
            source_npi: 1,
            source: self.written.from.as_bytes(),
            dest_ton: 1,
            dest_npi: 1,
            dest: self.written.to.as_bytes(),
            esm_class: self.esm_class,
            data_coding: self.data_coding,
            short_message: &self.short_message,
            ..ShortMessage::default()
        };
        send(CommandId::DELIVER_SM, &message)
    }
}

/// When the next message comes and what it says.
#[derive(Debug)]
pub(super) struct Generator {
    options: InboundOptions,
    carrier: u64,
    alphabet: AlphabetConfig,
    start: Duration,
    next: u64,
}

impl Generator {
    /// The messages to the carrier numbered `carrier`, from `start` on.
    pub(super) fn new(
        options: &InboundOptions,
        carrier: u64,
        alphabet: AlphabetConfig,
        start: Duration,
    ) -> Self {
        Self { options: options.clone(), carrier, alphabet, start, next: 0 }
    }

    /// When the next message comes.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let over = self.options.inbound_count > 0 && self.next >= self.options.inbound_count;
        if self.options.inbound_to.is_empty() || over {
            return None;
        }
        let since = Duration::from_secs(1).checked_div(self.options.inbound_rate)?;
        let times = u32::try_from(self.next).unwrap_or(u32::MAX);
        Some(self.start + since.saturating_mul(times))
    }

    /// The parts of the next message, when it is due.
    pub(super) fn due(&mut self, now: Duration) -> Option<Vec<InboundPart>> {
        let due = self.next_due().filter(|due| *due <= now)?;
        let (number, options) = (self.next, &self.options);
        self.next += 1;
        let turn = usize::try_from(number).unwrap_or(0).checked_rem(options.inbound_to.len())?;
        let to = options.inbound_to.get(turn)?.clone();
        let long =
            options.inbound_long_every > 0 && number.is_multiple_of(options.inbound_long_every);
        let mut text = format!("inbound {}-{number}", self.carrier);
        if long {
            // Every third of them in UCS-2.
            let filler = if number.is_multiple_of(3) { "\u{436}ab" } else { "0123456789 " };
            text.extend(std::iter::repeat_n(filler, 32));
        }
        let wire = Wire::new(&text, &self.alphabet, Concatenation::Udh8)?;
        let count = usize::from(wire.part_count());
        let from = (FIRST_HANDSET + number % HANDSETS).to_string();
        let written = Rc::new(Written { from, to, text, left: Cell::new(count) });
        let reference = u16::try_from(number % 256).unwrap_or(0);
        let mut parts: Vec<InboundPart> = wire
            .parts(reference)
            .map(|part| InboundPart {
                due,
                written: Rc::clone(&written),
                esm_class: if part.udh.is_empty() { 0 } else { UDHI },
                data_coding: part.data_coding,
                short_message: [&*part.udh, &part.octets].concat(),
            })
            .collect();
        if number % 2 == 1 {
            parts.reverse();
        }
        Some(parts)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn generator(long_every: u64, count: u64) -> Generator {
        let options = InboundOptions {
            inbound_to: vec!["72345".into(), "447700900999".into()],
            inbound_rate: 4,
            inbound_count: count,
            inbound_long_every: long_every,
        };
        options.check().unwrap();
        Generator::new(&options, 2, AlphabetConfig::default(), Duration::from_secs(1))
    }

    #[test]
    fn messages_come_at_their_rate_and_end_with_their_count() {
        let mut generator = generator(0, 3);
        assert!(generator.due(Duration::from_millis(999)).is_none());
        for (number, due) in [1_000, 1_250, 1_500].into_iter().enumerate() {
            let due = Duration::from_millis(due);
            assert_eq!(generator.next_due(), Some(due));
            let parts = generator.due(due).unwrap();
            assert_eq!(parts.len(), 1);
            assert_eq!(parts[0].written.text, format!("inbound 2-{number}"));
            assert_eq!(parts[0].written.to, ["72345", "447700900999"][number % 2]);
        }
        assert_eq!(generator.next_due(), None);
        assert!(generator.due(Duration::from_secs(99)).is_none());
    }

    #[test]
    fn long_messages_come_in_parts_of_both_alphabets_and_orders() {
        let mut generator = generator(1, 0);
        let mut seen = Vec::new();
        for _ in 0..4 {
            let parts = generator.due(Duration::from_secs(9)).unwrap();
            assert!(parts.len() > 1);
            assert_eq!(parts[0].written.left.get(), parts.len());
            assert!(parts.iter().all(|part| part.esm_class == UDHI));
            seen.push((parts[0].data_coding, parts[0].short_message[5] == 1));
        }
        assert_eq!(seen, [(8, true), (0, false), (0, true), (8, false)]);
    }

    #[test]
    fn nobody_writes_unless_told_to() {
        let options = InboundOptions::default();
        let generator = Generator::new(&options, 0, AlphabetConfig::default(), Duration::ZERO);
        assert_eq!(generator.next_due(), None);
        let bad = InboundOptions { inbound_to: vec![String::new()], inbound_rate: 1, ..options };
        assert!(bad.check().is_err());
    }
}
