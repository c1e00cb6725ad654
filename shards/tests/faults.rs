//! What carriers do wrong, one test each: a fault stays in its session, the window is whole again
//! afterwards, every unanswered part follows its carrier's policy, and another carrier notices
//! nothing. In memory, octet by octet, under a virtual clock.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod harness;

use std::time::Duration;

use harness::pdu::{self, Pdu, receipt, taken};
use harness::{CUSTOMER, Rig};
use postrider_core::id::MessageId;
use postrider_shards::stats::Counter;

const ALPHA: usize = 0;
const BETA: usize = 1;
const WINDOW: usize = 4;
const HANDSET: u64 = 447_700_900_123;
const RTHROTTLED: u32 = 0x58;
const RMSGQFUL: u32 = 0x14;
const RINVMSGLEN: u32 = 0x01;
const RINVCMDLEN: u32 = 0x02;
const RINVPASWD: u32 = 0x0E;

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Alpha, whose manners are tested, serves 44; beta, which behaves, serves 33; `routes` follow.
struct Scene {
    rig: Rig,
    beta_sent: u64,
}

impl Scene {
    fn new(alpha: &str) -> Self {
        let mut scene = Self::unbound(alpha, r#"carriers = ["alpha"]"#);
        scene.rig.bind(ALPHA);
        scene.rig.bind(BETA);
        scene
    }

    /// `ranked` says which carriers serve 44, best first.
    fn unbound(alpha: &str, ranked: &str) -> Self {
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
    fn submit(&mut self, text: &str) -> MessageId {
        self.rig.submit(HANDSET, text)
    }

    /// A message by way of alpha and the sequence number of its submit_sm.
    fn submitted(&mut self, text: &str) -> (MessageId, u32) {
        let id = self.submit(text);
        let pdus = self.rig.submits(ALPHA);
        assert_eq!(pdus.len(), 1, "{pdus:?}");
        (id, pdus[0].sequence)
    }

    fn send(&mut self, pdus: &[Pdu]) {
        self.rig.send(ALPHA, pdus);
    }

    /// Time passes with both carriers answering enquire_link; gives what alpha received beside.
    fn live(&mut self, seconds: u64) -> Vec<Pdu> {
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
    fn resent(&mut self, within: u64) -> Pdu {
        let pdus = self.live(within);
        let mut submits = pdus.into_iter().filter(|pdu| pdu.command == pdu::SUBMIT);
        let first = submits.next().expect("sent again");
        assert!(submits.next().is_none(), "sent once more");
        first
    }

    fn status(&mut self, id: MessageId) -> &'static str {
        self.rig.status(id)
    }

    /// Alpha's window is whole, and exactly whole: it takes as many parts as it has slots.
    fn assert_window_whole(&mut self) {
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
    fn assert_beta_goes_on(&mut self) {
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
    fn assert_reset_and_resent(&mut self, id: MessageId) {
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
    fn assert_undisturbed(&mut self) {
        assert_eq!(self.rig.connects(ALPHA), 1, "the session stays");
        self.assert_window_whole();
        self.assert_beta_goes_on();
    }
}

fn submit_resp(status: u32, sequence: u32) -> Pdu {
    Pdu::new(pdu::SUBMIT_RESP, status, sequence, b"")
}

// --- answers ---

#[test]
fn a_submit_without_an_answer_is_sent_again_and_frees_its_slot() {
    let mut scene = Scene::new("");
    let (id, _) = scene.submitted("lost");
    scene.live(59);
    assert_eq!(scene.status(id), "queued", "its time is not up");
    let again = scene.resent(20);
    scene.send(&[taken(again.sequence, "second")]);
    assert_eq!(scene.status(id), "submitted");
    assert_eq!(scene.rig.count(Counter::PartsResubmitted), 1);
    scene.assert_undisturbed();
}

#[test]
fn an_answer_after_the_time_out_still_finds_its_part() {
    let mut scene = Scene::new("");
    let (id, sequence) = scene.submitted("late");
    scene.live(61);
    assert_eq!(scene.status(id), "outcome_unknown");
    scene.send(&[taken(sequence, "late-1")]);
    assert_eq!(scene.status(id), "submitted");
    let later = scene.live(30);
    assert!(later.iter().all(|pdu| pdu.command != pdu::SUBMIT), "sent again: {later:?}");
    scene.send(&[receipt(1, &HANDSET.to_string(), "late-1", "DELIVRD")]);
    scene.live(1);
    assert_eq!(scene.status(id), "delivered");
    scene.assert_undisturbed();
}

#[test]
fn a_refusal_after_the_time_out_does_not_free_a_part_that_is_in_flight_again() {
    let mut scene = Scene::new("");
    let (id, first) = scene.submitted("late refusal");
    let second = scene.resent(80).sequence;
    scene.send(&[submit_resp(RTHROTTLED, first)]);
    let more = scene.live(5);
    assert!(more.iter().all(|pdu| pdu.command != pdu::SUBMIT), "a third copy: {more:?}");
    scene.send(&[taken(second, "second")]);
    assert_eq!(scene.status(id), "submitted");
    scene.assert_undisturbed();
}

#[test]
fn a_second_answer_to_the_same_submit_changes_nothing() {
    let mut scene = Scene::new("");
    let (id, sequence) = scene.submitted("twice");
    scene.send(&[taken(sequence, "one"), taken(sequence, "two"), submit_resp(8, sequence)]);
    assert_eq!(scene.status(id), "submitted");
    let view = scene.rig.view(id);
    assert_eq!(view.parts[0].carrier_message_id.as_deref(), Some("one"));
    scene.assert_undisturbed();
}

#[test]
fn an_answer_to_nothing_is_ignored() {
    let mut scene = Scene::new("");
    let (id, sequence) = scene.submitted("known");
    scene.send(&[taken(9_999, "stranger"), submit_resp(RTHROTTLED, 0)]);
    assert_eq!(scene.status(id), "queued");
    scene.send(&[taken(sequence, "known")]);
    assert_eq!(scene.status(id), "submitted");
    scene.assert_undisturbed();
}

#[test]
fn answers_out_of_order_reach_their_own_parts() {
    let mut scene = Scene::new("");
    let sent: Vec<(MessageId, u32)> = (0..4).map(|n| scene.submitted(&n.to_string())).collect();
    let backwards: Vec<Pdu> =
        sent.iter().rev().map(|(_, seq)| taken(*seq, &format!("id-{seq}"))).collect();
    scene.send(&backwards);
    for (id, sequence) in sent {
        let own = scene.rig.view(id).parts[0].carrier_message_id.clone();
        assert_eq!(own, Some(format!("id-{sequence}")));
    }
    scene.assert_undisturbed();
}

#[test]
fn a_generic_nack_is_the_answer_of_its_own_request_only() {
    let mut scene = Scene::new("");
    let (refused, sequence) = scene.submitted("refused");
    let (other, other_sequence) = scene.submitted("other");
    scene.send(&[Pdu::new(pdu::NACK, RINVMSGLEN, sequence, b"")]);
    scene.live(1);
    assert_eq!(scene.status(refused), "rejected", "no other carrier is left");
    assert_eq!(scene.status(other), "queued");
    scene.send(&[taken(other_sequence, "fine")]);
    assert_eq!(scene.status(other), "submitted");
    scene.assert_undisturbed();
}

/// Every submit_sm is answered with `status` for a minute; gives how many there were.
fn refuse_for_a_minute(scene: &mut Scene, status: u32) -> usize {
    let mut submits = 0;
    for _ in 0..60 {
        for pdu in scene.live(1) {
            assert_eq!(pdu.command, pdu::SUBMIT);
            submits += 1;
            scene.send(&[submit_resp(status, pdu.sequence)]);
        }
    }
    submits
}

#[test]
fn a_minute_of_throttling_slows_the_bind_and_fails_nothing() {
    let mut scene = Scene::new("");
    let ids: Vec<MessageId> = (0..20).map(|n| scene.submit(&format!("t{n}"))).collect();
    let submits = refuse_for_a_minute(&mut scene, RTHROTTLED);
    assert!(submits <= WINDOW * 60, "{submits} submits in a minute of throttling");
    scene.assert_beta_goes_on();
    for _ in 0..60 {
        for pdu in scene.live(1) {
            scene.send(&[taken(pdu.sequence, &format!("t{}", pdu.sequence))]);
        }
    }
    for id in ids {
        assert_eq!(scene.status(id), "submitted");
        let events = scene.rig.events(id);
        assert!(events.iter().all(|event| event != "refused"), "{events:?}");
    }
    scene.assert_undisturbed();
}

#[test]
fn a_full_queue_at_the_carrier_pauses_all_of_it_longer_and_longer() {
    let mut scene = Scene::new("");
    let id = scene.submit("q");
    let submits = refuse_for_a_minute(&mut scene, RMSGQFUL);
    assert!((3..=7).contains(&submits), "after 2, 4, 8 .. s, not {submits} times in a minute");
    assert_eq!(scene.status(id), "queued");
    scene.assert_beta_goes_on();
    let pdus = scene.live(61);
    assert_eq!(pdus.len(), 1, "tried again within the longest pause");
    scene.send(&[taken(pdus[0].sequence, "q")]);
    assert_eq!(scene.status(id), "submitted");
    scene.assert_undisturbed();
}

// --- binds ---

#[test]
fn a_refused_bind_is_tried_again_rarely_and_loses_nothing() {
    let mut scene = Scene::unbound("", r#"carriers = ["alpha"]"#);
    scene.rig.bind(BETA);
    scene.live(1);
    let id = scene.submit("waits");
    scene.rig.connect(ALPHA);
    let asked = scene.rig.received(ALPHA);
    scene.send(&[Pdu::new(asked[0].command | pdu::NACK, RINVPASWD, asked[0].sequence, b"")]);
    assert!(!scene.rig.is_open(ALPHA));
    scene.live(200);
    assert!(!scene.rig.wants(ALPHA), "wrong passwords lock accounts: once in five minutes");
    scene.assert_beta_goes_on();
    scene.live(200);
    scene.rig.bind(ALPHA);
    let pdus = scene.rig.submits(ALPHA);
    scene.send(&[taken(pdus[0].sequence, "at last")]);
    assert_eq!(scene.status(id), "submitted");
    scene.assert_window_whole();
}

#[test]
fn a_bind_that_is_never_answered_is_given_up_and_tried_again() {
    let mut scene = Scene::unbound("", r#"carriers = ["alpha"]"#);
    scene.rig.bind(BETA);
    let id = scene.submit("waits");
    scene.live(1);
    scene.rig.connect(ALPHA);
    scene.live(9);
    assert!(scene.rig.is_open(ALPHA), "its ten seconds are not over");
    scene.live(2);
    assert!(!scene.rig.is_open(ALPHA));
    scene.rig.bind(ALPHA);
    let pdus = scene.rig.submits(ALPHA);
    scene.send(&[taken(pdus[0].sequence, "bound")]);
    assert_eq!(scene.status(id), "submitted");
    scene.assert_window_whole();
    scene.assert_beta_goes_on();
}

// --- octets ---

#[test]
fn half_a_pdu_and_then_silence_closes_the_session() {
    let mut scene = Scene::new("");
    let (id, sequence) = scene.submitted("half");
    let answer = taken(sequence, "half").octets();
    scene.rig.send_octets(ALPHA, &answer[..9]);
    scene.live(9);
    assert!(scene.rig.is_open(ALPHA));
    scene.live(2);
    scene.assert_reset_and_resent(id);
}

fn broken_length(length: u32) {
    let mut scene = Scene::new("");
    let (id, sequence) = scene.submitted("framing");
    let mut answer = taken(sequence, "framing").octets();
    answer[..4].copy_from_slice(&length.to_be_bytes());
    scene.rig.send_octets(ALPHA, &answer);
    let said = scene.rig.received(ALPHA);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].head(), (pdu::NACK, RINVCMDLEN, 0));
    scene.assert_reset_and_resent(id);
}

#[test]
fn a_command_length_of_0_closes_the_session() {
    broken_length(0);
}

#[test]
fn a_command_length_of_15_closes_the_session() {
    broken_length(15);
}

#[test]
fn a_command_length_of_2_to_the_31_closes_the_session() {
    broken_length(1 << 31);
}

#[test]
fn an_octet_a_second_is_too_slow_for_a_pdu() {
    let mut scene = Scene::new("");
    let (id, sequence) = scene.submitted("drip");
    let answer = taken(sequence, "0123456789").octets();
    for octet in &answer {
        scene.rig.send_octets(ALPHA, &[*octet]);
        scene.live(1);
        if !scene.rig.is_open(ALPHA) {
            break;
        }
    }
    scene.assert_reset_and_resent(id);
}

#[test]
fn a_connection_reset_inside_a_pdu_loses_only_that_session() {
    let mut scene = Scene::new("");
    let (id, sequence) = scene.submitted("reset");
    scene.rig.send_octets(ALPHA, &taken(sequence, "reset").octets()[..20]);
    scene.rig.lose(ALPHA);
    scene.assert_reset_and_resent(id);
}

#[test]
fn a_connection_closed_between_pdus_keeps_what_was_answered() {
    let mut scene = Scene::new("");
    let (answered, sequence) = scene.submitted("answered");
    scene.send(&[taken(sequence, "answered")]);
    let (open, _) = scene.submitted("open");
    scene.rig.lose(ALPHA);
    scene.assert_reset_and_resent(open);
    assert_eq!(scene.status(answered), "submitted");
    assert!(!scene.rig.events(answered).iter().any(|event| event == "outcome_unknown"));
}

#[test]
fn a_half_open_connection_is_found_by_enquire_link() {
    let mut scene = Scene::new("enquire_link_seconds = 10");
    let (id, _) = scene.submitted("void");
    // Alpha answers nothing at all any more.
    for _ in 0..35 {
        scene.rig.pass(secs(1));
        for pdu in scene.rig.received(BETA) {
            scene.rig.send(BETA, &[Pdu::new(pdu::ENQUIRE_RESP, 0, pdu.sequence, b"")]);
        }
    }
    let probes = scene.rig.received(ALPHA);
    assert!(probes.iter().all(|pdu| pdu.command == pdu::ENQUIRE), "{probes:?}");
    assert_eq!(probes.len(), 2, "two misses close");
    scene.assert_reset_and_resent(id);
}

#[test]
fn an_unbind_lets_what_is_open_be_answered_first() {
    let mut scene = Scene::new("");
    let (id, sequence) = scene.submitted("open");
    scene.send(&[Pdu::new(pdu::UNBIND, 0, 77, b"")]);
    let said = scene.rig.received(ALPHA);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].head(), (pdu::UNBIND_RESP, 0, 77));
    let queued = scene.submit("after");
    assert!(scene.rig.received(ALPHA).is_empty(), "nothing more is sent");
    scene.send(&[taken(sequence, "in time")]);
    assert_eq!(scene.status(id), "submitted");
    assert!(!scene.rig.is_open(ALPHA));
    scene.rig.bind(ALPHA);
    let pdus = scene.rig.submits(ALPHA);
    assert_eq!(pdus.len(), 1, "only the queued one: {pdus:?}");
    scene.send(&[taken(pdus[0].sequence, "after")]);
    assert_eq!(scene.status(queued), "submitted");
    scene.assert_window_whole();
    scene.assert_beta_goes_on();
}

// --- receipts and ids ---

/// Submits, answers with `answered`, and sends a receipt for `receipted`; gives the status.
fn receipted_as(keys: &str, answered: &str, receipted: &str) -> &'static str {
    let mut scene = Scene::new(keys);
    let (id, sequence) = scene.submitted("ids");
    scene.send(&[taken(sequence, answered)]);
    scene.send(&[receipt(5, &HANDSET.to_string(), receipted, "DELIVRD")]);
    let said = scene.rig.received(ALPHA);
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].head(), (pdu::DELIVER_RESP, 0, 5), "answered with ROK");
    let status = scene.status(id);
    scene.assert_undisturbed();
    status
}

#[test]
fn a_receipt_that_overtakes_the_answer_waits_for_it() {
    let mut scene = Scene::new("");
    let (id, sequence) = scene.submitted("overtaken");
    scene.send(&[receipt(5, &HANDSET.to_string(), "fast", "DELIVRD")]);
    let said = scene.rig.received(ALPHA);
    assert_eq!(said[0].head(), (pdu::DELIVER_RESP, 0, 5));
    scene.send(&[taken(sequence, "fast")]);
    scene.live(1);
    assert_eq!(scene.status(id), "delivered");
    scene.assert_undisturbed();
}

const HEX_THEN_DECIMAL: &str = "[carriers.ids]\nresponse = \"hex\"\nreceipt = \"decimal\"";
const DECIMAL_THEN_HEX: &str = "[carriers.ids]\nresponse = \"decimal\"\nreceipt = \"hex\"";

#[test]
fn a_hexadecimal_id_is_found_by_its_decimal_receipt() {
    assert_eq!(receipted_as(HEX_THEN_DECIMAL, "39f99dd5", "0972660181"), "delivered");
}

#[test]
fn a_decimal_id_is_found_by_its_hexadecimal_receipt() {
    assert_eq!(
        receipted_as(DECIMAL_THEN_HEX, "9308878062554710043", "812FC747D7F0781B"),
        "delivered"
    );
}

#[test]
fn an_id_is_found_in_other_case() {
    assert_eq!(receipted_as("", "00b8be19", "B8BE19"), "delivered");
}

#[test]
fn an_id_of_64_characters_is_kept_whole() {
    let long = "0123456789abcdef".repeat(4);
    assert_eq!(receipted_as("", &long, &long), "delivered");
}

#[test]
fn an_empty_id_leaves_the_part_submitted_and_ends_unknown() {
    let mut scene = Scene::new("");
    let body = format!(r#"{{"from":"Acme","to":"+{HANDSET}","body":"x","validity_period":60}}"#);
    let id = scene.rig.post(&body).unwrap();
    let pdus = scene.rig.submits(ALPHA);
    scene.send(&[taken(pdus[0].sequence, "")]);
    assert_eq!(scene.status(id), "submitted");
    scene.live(3_700);
    assert_eq!(scene.status(id), "unknown", "an hour after its validity");
    scene.assert_undisturbed();
}

#[test]
fn one_id_for_two_parts_is_no_match_for_either() {
    let mut scene = Scene::new("");
    let (first, one) = scene.submitted("first");
    let (second, two) = scene.submitted("second");
    scene.send(&[taken(one, "same"), taken(two, "same")]);
    scene.send(&[receipt(5, &HANDSET.to_string(), "same", "UNDELIV")]);
    let said = scene.rig.received(ALPHA);
    assert_eq!(said[0].head(), (pdu::DELIVER_RESP, 0, 5));
    scene.live(2);
    assert_eq!((scene.status(first), scene.status(second)), ("submitted", "submitted"));
    scene.assert_undisturbed();
}

// --- failover ---

/// Alpha first, beta behind it; `queued` messages wait for alpha's window.
fn with_backup(keys: &str) -> (Scene, Vec<MessageId>) {
    let mut scene = Scene::unbound(keys, r#"carriers = ["alpha", "beta"]"#);
    scene.rig.bind(ALPHA);
    scene.rig.bind(BETA);
    let ids: Vec<MessageId> = (0..10).map(|n| scene.submit(&format!("f{n}"))).collect();
    assert_eq!(scene.rig.submits(ALPHA).len(), WINDOW);
    (scene, ids)
}

/// Beta takes what comes within ten seconds, while alpha does nothing at all; gives how many.
fn beta_takes(scene: &mut Scene) -> usize {
    let mut count = 0;
    for _ in 0..100 {
        scene.rig.pass(Duration::from_millis(100));
        for pdu in scene.rig.received(BETA) {
            let answer = match pdu.command {
                pdu::SUBMIT => {
                    count += 1;
                    taken(pdu.sequence, &format!("b{}", pdu.sequence))
                }
                pdu::ENQUIRE => Pdu::new(pdu::ENQUIRE_RESP, 0, pdu.sequence, b""),
                other => panic!("{other:#x}"),
            };
            scene.rig.send(BETA, &[answer]);
        }
        if scene.rig.wants(ALPHA) {
            scene.rig.refuse_connect(ALPHA);
        }
    }
    count
}

#[test]
fn the_queue_of_a_dead_carrier_moves_within_ten_seconds() {
    let (mut scene, ids) = with_backup("");
    scene.rig.lose(ALPHA);
    let moved = beta_takes(&mut scene);
    assert!(moved >= ids.len() - WINDOW, "{moved} moved");
    assert_eq!(scene.rig.connects(BETA), 1);
}

#[test]
fn the_queue_of_a_half_open_carrier_moves_within_ten_seconds() {
    let keys = "enquire_link_seconds = 2\nresponse_timeout_seconds = 3";
    let (mut scene, ids) = with_backup(keys);
    let moved = beta_takes(&mut scene);
    assert!(moved >= ids.len() - WINDOW, "{moved} moved");
    assert_eq!(scene.rig.connects(BETA), 1);
}

#[test]
fn the_queue_of_a_stalled_carrier_moves_within_ten_seconds() {
    // It answers enquire_link and no submit_sm.
    let (mut scene, ids) = with_backup("enquire_link_seconds = 1\nresponse_timeout_seconds = 3");
    let mut moved = 0;
    for _ in 0..10 {
        if scene.rig.is_open(ALPHA) {
            for pdu in scene.rig.received(ALPHA) {
                if pdu.command == pdu::ENQUIRE {
                    let answer = Pdu::new(pdu::ENQUIRE_RESP, 0, pdu.sequence, b"");
                    scene.rig.send(ALPHA, &[answer]);
                }
            }
        }
        scene.rig.pass(secs(1));
        for pdu in scene.rig.received(BETA) {
            if pdu.command == pdu::SUBMIT {
                moved += 1;
                scene.rig.send(BETA, &[taken(pdu.sequence, &format!("b{}", pdu.sequence))]);
            } else {
                let answer = Pdu::new(pdu::ENQUIRE_RESP, 0, pdu.sequence, b"");
                scene.rig.send(BETA, &[answer]);
            }
        }
        if scene.rig.wants(ALPHA) {
            scene.rig.refuse_connect(ALPHA);
        }
    }
    assert!(moved >= ids.len() - WINDOW, "{moved} moved");
    assert_eq!(scene.rig.connects(BETA), 1);
}
