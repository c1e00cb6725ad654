//! Two carriers, one whose manners are tested and one that behaves, and what must hold of both
//! after every fault. Test code, pure.

use std::time::Duration;

use super::pdu::{self, Pdu, taken};
use super::{CUSTOMER, Rig};
use postrider_core::id::MessageId;

pub(crate) const ALPHA: usize = 0;
pub(crate) const BETA: usize = 1;
pub(crate) const WINDOW: usize = 4;
pub(crate) const HANDSET: u64 = 447_700_900_123;

pub(crate) fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Alpha, whose manners are tested, serves 44; beta, which behaves, serves 33; `routes` follow.
pub(crate) struct Scene {
    pub(crate) rig: Rig,
    beta_sent: u64,
}

impl Scene {
    pub(crate) fn new(alpha: &str) -> Self {
        let mut scene = Self::unbound(alpha, r#"carriers = ["alpha"]"#);
        scene.rig.bind(ALPHA);
        scene.rig.bind(BETA);
        scene
    }

    /// `ranked` says which carriers serve 44, best first.
    pub(crate) fn unbound(alpha: &str, ranked: &str) -> Self {
        let carrier = |name: &str, keys: &str| {
            format!(
                "[[carriers]]\nname = \"{name}\"\naddress = \"127.0.0.1:1\"\nsystem_id = \"us\"\n\
                 password = \"p\"\nbinds = 1\nwindow = {WINDOW}\n{keys}\n"
            )
        };
        let config = format!(
            "{CUSTOMER}\n{}{}[[routes]]\nprefix = \"44\"\n{ranked}\n\
             [[routes]]\nprefix = \"33\"\ncarriers = [\"beta\"]\n",
            carrier("alpha", alpha),
            carrier("beta", "")
        );
        Scene { rig: Rig::new(&config), beta_sent: 0 }
    }

    /// A message by way of alpha.
    pub(crate) fn submit(&mut self, text: &str) -> MessageId {
        self.rig.submit(HANDSET, text)
    }

    /// A message by way of alpha and the sequence number of its submit_sm.
    pub(crate) fn submitted(&mut self, text: &str) -> (MessageId, u32) {
        let id = self.submit(text);
        let pdus = self.rig.submits(ALPHA);
        assert_eq!(pdus.len(), 1, "{pdus:?}");
        (id, pdus[0].sequence)
    }

    pub(crate) fn send(&mut self, pdus: &[Pdu]) {
        self.rig.send(ALPHA, pdus);
    }

    /// Time passes with both carriers answering enquire_link; gives what alpha received beside.
    pub(crate) fn live(&mut self, seconds: u64) -> Vec<Pdu> {
        let mut others = Vec::new();
        for _ in 0..seconds {
            self.rig.pass(secs(1));
            for bind in [ALPHA, BETA] {
                for pdu in self.rig.received(bind) {
                    if pdu.command == pdu::ENQUIRE && self.rig.is_open(bind) {
                        let answer = Pdu::new(pdu::ENQUIRE_RESP, 0, pdu.sequence, b"");
                        self.rig.send(bind, &[answer]);
                    } else if bind == ALPHA {
                        others.push(pdu);
                    }
                }
            }
        }
        others
    }

    /// The first submit_sm that alpha gets within so many seconds.
    pub(crate) fn resent(&mut self, within: u64) -> Pdu {
        let pdus = self.live(within);
        let mut submits = pdus.into_iter().filter(|pdu| pdu.command == pdu::SUBMIT);
        let first = submits.next().expect("sent again");
        assert!(submits.next().is_none(), "sent once more");
        first
    }

    pub(crate) fn status(&mut self, id: MessageId) -> &'static str {
        self.rig.status(id)
    }

    /// Alpha's window is whole, and exactly whole: it takes as many parts as it has slots.
    ///
    /// A bind that came back, or was silent, first has to show that it is alive, and grows.
    pub(crate) fn assert_window_whole(&mut self) {
        for _ in 0..2 {
            self.submit("a first part");
            let answers: Vec<Pdu> = self
                .live(6)
                .iter()
                .filter(|pdu| pdu.command == pdu::SUBMIT)
                .map(|pdu| taken(pdu.sequence, &format!("f{}", pdu.sequence)))
                .collect();
            self.send(&answers);
        }
        self.live(6);
        let more: Vec<MessageId> =
            (0..=WINDOW).map(|n| self.submit(&format!("fill {n}"))).collect();
        let pdus: Vec<Pdu> =
            self.live(2).into_iter().filter(|p| p.command == pdu::SUBMIT).collect();
        assert_eq!(pdus.len(), WINDOW, "slots of the window");
        let answers: Vec<Pdu> =
            pdus.iter().map(|pdu| taken(pdu.sequence, &format!("w{}", pdu.sequence))).collect();
        self.send(&answers);
        let last = self.live(2);
        assert_eq!(last.len(), 1, "the one that waited");
        self.send(&[taken(last[0].sequence, "last")]);
        for id in more {
            assert_eq!(self.status(id), "submitted");
        }
    }

    /// Beta still has its first connection, and serves on it.
    pub(crate) fn assert_beta_goes_on(&mut self) {
        self.beta_sent += 1;
        let name = format!("beta{}", self.beta_sent);
        let id = self.rig.submit(33_612_345_678, &name);
        let pdus = self.rig.submits(BETA);
        assert_eq!(pdus.len(), 1);
        self.rig.send(BETA, &[taken(pdus[0].sequence, &name)]);
        assert_eq!(self.rig.status(id), "submitted");
        assert_eq!(self.rig.connects(BETA), 1, "never reset");
    }

    /// Alpha's connection was closed by us: it binds again, and the part is sent once more, with
    /// its window whole.
    pub(crate) fn assert_reset_and_resent(&mut self, id: MessageId) {
        assert!(!self.rig.is_open(ALPHA), "the session is closed");
        self.assert_beta_goes_on();
        self.rig.bind(ALPHA);
        let again = self.resent(20);
        self.send(&[taken(again.sequence, "again")]);
        assert_eq!(self.status(id), "submitted");
        let events = self.rig.events(id);
        assert!(events.iter().any(|event| event == "outcome_unknown"), "{events:?}");
        self.assert_window_whole();
        self.assert_beta_goes_on();
    }

    /// The session goes on as it was: same connection, whole window.
    pub(crate) fn assert_undisturbed(&mut self) {
        assert_eq!(self.rig.connects(ALPHA), 1, "the session stays");
        self.assert_window_whole();
        self.assert_beta_goes_on();
    }
}
