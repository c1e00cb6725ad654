//! Two sessions in memory, ours and a carrier's: window, timers and codec together, without a socket.

use core::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use postrider_benches::sample::{GSM_SHORT, submit_fields};
use postrider_smpp::command::CommandId;
use postrider_smpp::session::{Event, Role, Session, SessionConfig, State};

const NOW: Duration = Duration::from_secs(1);
const WINDOW: u16 = 64;

/// Both ends of one bound bind.
struct Pair {
    esme: Session,
    smsc: Session,
    octets: Vec<u8>,
    taken: Vec<u32>,
    answered: u64,
}

impl Pair {
    fn bound() -> Self {
        let end = |role| {
            let mut session =
                Session::new(SessionConfig { role, window: WINDOW, ..SessionConfig::default() });
            session.handle_connected(NOW);
            session
        };
        let (esme, smsc) = (end(Role::Esme), end(Role::Smsc));
        let mut pair = Pair { esme, smsc, octets: Vec::new(), taken: Vec::new(), answered: 0 };
        pair.feed_smsc();
        pair.smsc.answer_bind(1, 0);
        pair.feed_esme();
        assert!(matches!(pair.esme.state(), State::Bound(_)));
        pair
    }

    fn feed_smsc(&mut self) {
        self.octets.clear();
        self.esme.take_output(&mut self.octets);
        self.smsc.handle_bytes(NOW, &self.octets);
        while let Some(event) = self.smsc.poll_event() {
            if let Event::Message { sequence, .. } = event {
                self.taken.push(sequence);
            }
        }
    }

    fn feed_esme(&mut self) {
        self.octets.clear();
        self.smsc.take_output(&mut self.octets);
        self.esme.handle_bytes(NOW, &self.octets);
        while let Some(event) = self.esme.poll_event() {
            self.answered += u64::from(matches!(event, Event::Response { status: 0, .. }));
        }
    }

    /// So many submits at once, then all their answers.
    fn exchange(&mut self, submits: u16) {
        let fields = submit_fields(GSM_SHORT.as_bytes());
        let before = self.answered;
        for token in 0..submits {
            self.esme.submit(NOW, u64::from(token), &fields).unwrap();
        }
        self.feed_smsc();
        for sequence in self.taken.drain(..) {
            self.smsc.respond(CommandId::SUBMIT_SM, sequence, 0, b"0123456789");
        }
        self.feed_esme();
        assert_eq!(self.answered - before, u64::from(submits));
    }
}

/// Submit and answer, one at a time, both ends counted.
#[divan::bench(sample_size = 64)]
fn submit_and_answer(bencher: Bencher<'_, '_>) {
    let mut pair = Pair::bound();
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| pair.exchange(1));
}

/// The same with a full window: one read and one write for 64.
#[divan::bench(sample_size = 16)]
fn submit_and_answer_64(bencher: Bencher<'_, '_>) {
    let mut pair = Pair::bound();
    bencher.counter(ItemsCount::new(WINDOW)).bench_local(|| pair.exchange(WINDOW));
}
