//! Who is erased is gone from every answer at once, and from every file within a day; whoever is not
//! keeps everything. On one shard in memory, under a virtual clock.
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
use harness::{Rig, Undecided, one_carrier, request, traces};
use postrider_core::id::MessageId;
use postrider_core::lifecycle::PartStatus;
use postrider_core::limits;
use postrider_core::number::Msisdn;
use postrider_http::request::ListQuery;
use postrider_http::response::MessageView;
use postrider_shards::shard::{ApiResponse, ControlAnswer, ControlRequest, ErasureState, Subject};
use postrider_shards::stats::{Counter, Gauge};

const ERASED: u64 = 447_700_900_123;
const OTHER: u64 = 447_700_900_456;
const SECRET: &str = "the quick brown fox knows";
const HOUR: Duration = Duration::from_secs(3_600);

fn list_query() -> ListQuery {
    ListQuery {
        from: None,
        to: None,
        status: None,
        limit: 100,
        cursor: None,
        from_number: None,
        to_number: None,
    }
}

/// The files in which one of these strings is found.
fn finds(rig: &mut Rig, needles: &[Vec<u8>]) -> Vec<String> {
    let files = rig.files();
    let found = files.iter().filter(|(_, bytes)| traces::any_in(bytes, needles));
    found.map(|(name, _)| name.clone()).collect()
}

fn needles() -> Vec<Vec<u8>> {
    let mut needles = traces::of_number(ERASED);
    needles.extend(traces::of_text(SECRET));
    needles.push(b"order-of-the-erased".to_vec());
    needles
}

/// A shard with a bind whose carrier answers nothing by itself.
fn rig() -> Rig {
    let mut rig = Rig::new(&one_carrier(""));
    rig.bind(0);
    rig
}

fn submit(rig: &mut Rig, number: u64, nth: usize) -> MessageId {
    let (text, reference) = match number {
        ERASED => (format!("{SECRET} {nth}"), "order-of-the-erased"),
        _ => (format!("harmless words {nth}"), "order-of-another"),
    };
    rig.post(&format!(
        r#"{{"from":"Acme","to":"+{number}","body":"{text}","client_reference":"{reference}"}}"#
    ))
    .unwrap()
}

/// Answers what the carrier was sent, each with an id of its own.
fn take(rig: &mut Rig) -> Vec<(String, String)> {
    let submits = rig.submits(0);
    let named = |pdu: &Pdu| (pdu.destination(), format!("id{:06}", pdu.sequence));
    let names: Vec<_> = submits.iter().map(named).collect();
    let answers: Vec<Pdu> =
        submits.iter().zip(&names).map(|(pdu, (_, id))| taken(pdu.sequence, id)).collect();
    rig.send(0, &answers);
    names
}

/// The handsets have got these; the receipts' texts name them.
fn deliver(rig: &mut Rig, taken: &[(String, String)]) {
    let receipts: Vec<Pdu> = taken
        .iter()
        .zip(500u32..)
        .map(|((handset, id), sequence)| receipt(sequence, handset, id, "DELIVRD"))
        .collect();
    rig.send(0, &receipts);
    drop(rig.received(0));
}

/// Messages to both numbers in every state.
struct Population {
    closed: Vec<MessageId>,
    submitted: Vec<MessageId>,
    in_flight: Vec<MessageId>,
    queued: Vec<MessageId>,
}

impl Population {
    fn all(&self) -> Vec<MessageId> {
        [&self.closed, &self.submitted, &self.in_flight, &self.queued]
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }
}

/// Gives the messages to the one who is to be erased, and to the other.
fn populate(rig: &mut Rig) -> [Population; 2] {
    let mut both = [ERASED, OTHER].map(|_| Population {
        closed: Vec::new(),
        submitted: Vec::new(),
        in_flight: Vec::new(),
        queued: Vec::new(),
    });
    for nth in 0..40 {
        for (number, own) in [ERASED, OTHER].into_iter().zip(&mut both) {
            own.closed.push(submit(rig, number, nth));
            let taken = take(rig);
            deliver(rig, &taken);
        }
        rig.pass(Duration::from_millis(50));
    }
    for nth in 40..42 {
        for (number, own) in [ERASED, OTHER].into_iter().zip(&mut both) {
            own.submitted.push(submit(rig, number, nth));
            take(rig);
        }
    }
    for nth in 42..44 {
        for (number, own) in [ERASED, OTHER].into_iter().zip(&mut both) {
            own.in_flight.push(submit(rig, number, nth));
        }
    }
    // The window is full.
    for nth in 44..48 {
        for (number, own) in [ERASED, OTHER].into_iter().zip(&mut both) {
            own.queued.push(submit(rig, number, nth));
        }
    }
    // A receipt that nobody knows is parked.
    rig.send(0, &[receipt(900, &ERASED.to_string(), "nobodys-id", "DELIVRD")]);
    assert_eq!(rig.gauge(Gauge::OrphansParked), 1);
    rig.pass(Duration::from_millis(50));
    both
}

fn erase(rig: &mut Rig, id: u64, subject: Subject) {
    assert_eq!(rig.control(ControlRequest::Erase { id, subject }), ControlAnswer::Done);
}

fn states(rig: &mut Rig) -> Vec<ErasureState> {
    match rig.control(ControlRequest::Erasures) {
        ControlAnswer::Erasures(states) => states,
        other => panic!("{other:?}"),
    }
}

fn recipient() -> Subject {
    Subject::Recipient(Msisdn::from_u64(ERASED).unwrap())
}

fn text(view: &MessageView) -> &str {
    view.body.as_ref().map_or("", |body| body.expose())
}

/// Nothing of the person is in the view, and the bill is.
fn check_gone(view: &MessageView) {
    assert!(view.redacted, "{view:?}");
    assert_eq!((view.from.as_str(), text(view)), ("", ""));
    assert!(!view.to.bytes().any(|octet| octet.is_ascii_digit()));
    assert_eq!(view.client_reference, None);
    assert_eq!(view.segment_count, 1);
    let told = view.timeline.iter().filter_map(|entry| entry.detail.as_deref());
    assert!(!told.into_iter().any(|detail| detail.contains("0900123")), "{:?}", view.timeline);
}

fn check_answers(rig: &mut Rig, gone: &Population, kept: &Population) {
    check_views(rig, gone, kept);
    let (page, _) = rig.list(list_query());
    assert_eq!(page.len(), gone.all().len() + kept.all().len());
    assert_eq!(page.iter().filter(|view| view.redacted).count(), gone.all().len());
    let to_number = Msisdn::from_u64(ERASED);
    assert!(rig.list(ListQuery { to_number, ..list_query() }).0.is_empty());
    let to_number = Msisdn::from_u64(OTHER);
    assert_eq!(rig.list(ListQuery { to_number, ..list_query() }).0.len(), kept.all().len());
}

fn check_views(rig: &mut Rig, gone: &Population, kept: &Population) {
    for (nth, id) in gone.all().into_iter().enumerate() {
        assert!(
            rig.find(id).is_some(),
            "the {nth}th is lost: {:?} {:?}",
            rig.count(Counter::ReadsDamaged),
            states(rig)
        );
        check_gone(&rig.view(id));
    }
    for id in kept.all() {
        let view = rig.view(id);
        assert!(!view.redacted && view.to == format!("+{OTHER}"), "{view:?}");
        assert_eq!(view.client_reference.as_deref(), Some("order-of-another"));
        assert!(text(&view).starts_with("harmless words"));
    }
}

fn statuses(rig: &mut Rig, ids: &[MessageId]) -> Vec<PartStatus> {
    ids.iter().map(|id| rig.view(*id).status).collect()
}

#[test]
fn an_erased_recipient_is_gone_from_answers_at_once_and_from_files_within_a_day() {
    let mut rig = rig();
    let [gone, kept] = populate(&mut rig);
    let mut window = rig.received(0);
    window.retain(|pdu| pdu.command == pdu::SUBMIT);
    assert_eq!(window.len(), 4);
    assert!(!finds(&mut rig, &needles()).is_empty(), "the search finds what is there");
    rig.reads_held = true;
    erase(&mut rig, 77, recipient());
    rig.reads_held = false;
    check_answers(&mut rig, &gone, &kept);
    assert_eq!(rig.gauge(Gauge::OrphansParked), 0);
    // What no carrier has is taken back, what one has goes on.
    assert_eq!(statuses(&mut rig, &gone.closed), vec![PartStatus::Delivered; 40]);
    assert_eq!(statuses(&mut rig, &gone.submitted), vec![PartStatus::Submitted; 2]);
    assert_eq!(statuses(&mut rig, &gone.in_flight), vec![PartStatus::Queued; 2]);
    assert_eq!(statuses(&mut rig, &gone.queued), vec![PartStatus::Canceled; 4]);
    let answers: Vec<Pdu> =
        window.iter().map(|pdu| taken(pdu.sequence, &format!("id{:06}", pdu.sequence))).collect();
    rig.send(0, &answers);
    assert_eq!(statuses(&mut rig, &gone.in_flight), vec![PartStatus::Submitted; 2]);
    // The others' messages go out, and none of the erased one's.
    rig.pass(Duration::from_millis(10));
    let later = take(&mut rig);
    assert_eq!(later.len(), 4);
    assert!(later.iter().all(|(to, _)| *to == OTHER.to_string()), "{later:?}");
    for _ in 0..24 * 60 {
        rig.pass(Duration::from_secs(60));
        if states(&mut rig).iter().all(|state| state.finished.is_some()) {
            break;
        }
    }
    let [state] = states(&mut rig).try_into().unwrap();
    assert!(state.finished.is_some() && state.id == 77, "{state:?}");
    assert!(state.rewritten > 0 && state.segments == Some(state.done), "{state:?}");
    assert_eq!(finds(&mut rig, &needles()), Vec::<String>::new());
    check_answers(&mut rig, &gone, &kept);
    // Nothing comes back with a restart, with indexes or without.
    let mut rig = rig.crash(Duration::from_secs(1), Undecided::Lost);
    check_answers(&mut rig, &gone, &kept);
    assert_eq!(states(&mut rig), []);
    for (file, _) in postrider_storage::Disk::list_side(rig.disk()).unwrap() {
        postrider_storage::Disk::remove_side(rig.disk(), file).unwrap();
    }
    let mut rig = rig.crash(Duration::from_secs(1), Undecided::Lost);
    check_answers(&mut rig, &gone, &kept);
    assert_eq!(finds(&mut rig, &needles()), Vec::<String>::new());
}

/// Lets `each` happen until every erasure is done; gives how long that took.
fn until_done(rig: &mut Rig, mut each: impl FnMut(&mut Rig)) -> Duration {
    let began = rig.now;
    while states(rig).iter().any(|state| state.finished.is_none()) {
        assert!(rig.now - began < limits::ERASURE_MAX, "{:?}", states(rig));
        each(rig);
    }
    rig.now - began
}

/// Nothing is found in any file; there are some of each kind.
fn check_files(rig: &mut Rig) {
    let files: Vec<String> = rig.files().into_iter().map(|(name, _)| name).collect();
    for kind in ["seg-", "reg-", "checkpoint-"] {
        assert!(files.iter().any(|name| name.starts_with(kind)), "no {kind}: {files:?}");
    }
    assert_eq!(finds(rig, &needles()), Vec::<String>::new());
}

/// The carrier takes what it got, and the handsets get it.
fn serve(rig: &mut Rig) {
    for pdu in rig.received(0) {
        let sequence = pdu.sequence;
        if pdu.command == pdu::ENQUIRE {
            rig.send(0, &[Pdu::new(pdu::ENQUIRE_RESP, 0, sequence, b"")]);
        } else if pdu.command == pdu::SUBMIT {
            let id = format!("served{sequence:06}");
            rig.send(0, &[taken(sequence, &id)]);
            rig.send(0, &[receipt(sequence, &pdu.destination(), &id, "DELIVRD")]);
        }
    }
}

#[test]
fn an_idle_shard_ends_an_erasure_by_itself() {
    let mut rig = rig();
    let [gone, kept] = populate(&mut rig);
    serve(&mut rig);
    rig.lose(0);
    rig.pass(2 * HOUR);
    rig.chore_takes = Duration::from_secs(1);
    erase(&mut rig, 1, recipient());
    let took = until_done(&mut rig, |rig| rig.pass(Duration::from_secs(60)));
    println!("{took:?}: {:?}", states(&mut rig));
    assert!(took < limits::ERASURE_MAX / 24, "{took:?}");
    check_files(&mut rig);
    check_answers(&mut rig, &gone, &kept);
}

#[test]
fn a_shard_whose_helper_thread_is_never_idle_ends_an_erasure_in_time() {
    let mut rig = rig();
    let [gone, kept] = populate(&mut rig);
    // Longer than from one checkpoint to the next: there always is something else to do.
    rig.chore_takes = limits::CHECKPOINT_EVERY + Duration::from_secs(10);
    erase(&mut rig, 1, recipient());
    let mut nth = 1_000;
    let took = until_done(&mut rig, |rig| {
        submit(rig, OTHER, nth);
        nth += 1;
        serve(rig);
        rig.pass(Duration::from_secs(10));
        serve(rig);
    });
    println!("{took:?}, {} messages: {:?}", nth - 1_000, states(&mut rig));
    assert!(took < limits::ERASURE_MAX / 4, "{took:?}");
    check_files(&mut rig);
    check_views(&mut rig, &gone, &kept);
}

#[test]
fn what_is_left_of_a_message_that_left_the_log_goes_too() {
    let mut rig = Rig::with_segments(&one_carrier(""), 16);
    rig.bind(0);
    let id = submit(&mut rig, ERASED, 0);
    let sent = rig.submits(0);
    // The carrier's answer, which tells the number, comes segments later.
    for nth in 0..130 {
        submit(&mut rig, OTHER, nth);
        serve(&mut rig);
    }
    let told = format!("id{ERASED}");
    rig.send(0, &[taken(sent[0].sequence, &told)]);
    rig.send(0, &[receipt(1, &ERASED.to_string(), &told, "DELIVRD")]);
    let kept = submit(&mut rig, OTHER, 130);
    let mut open = rig.received(0);
    open.retain(|pdu| pdu.command == pdu::SUBMIT);
    let told_kept = format!("id{OTHER}");
    rig.send(0, &[taken(open[0].sequence, &told_kept)]);
    assert_eq!(rig.status(id), "delivered");
    let number = [ERASED.to_string().into_bytes()];
    for nth in 131..800 {
        if rig.find(id).is_none() {
            break;
        }
        submit(&mut rig, OTHER, nth);
        serve(&mut rig);
        rig.pass(Duration::from_millis(50));
    }
    assert!(rig.find(id).is_none(), "its segment was given back");
    assert!(!finds(&mut rig, &number).is_empty(), "the carrier's answer was not");
    erase(&mut rig, 1, recipient());
    until_done(&mut rig, |rig| rig.pass(Duration::from_secs(60)));
    assert_eq!(finds(&mut rig, &number), Vec::<String>::new());
    // Of one that is open everything is still there.
    let mut rig = rig.crash(Duration::from_secs(1), Undecided::Lost);
    let told: Vec<_> = rig.view(kept).timeline.into_iter().filter_map(|e| e.detail).collect();
    assert!(told.contains(&told_kept), "{told:?}");
}

#[test]
fn an_erased_customer_is_gone_with_every_recipient() {
    let mut rig = rig();
    let [one, other] = populate(&mut rig);
    let mut needles = needles();
    needles.extend(traces::of_number(OTHER));
    needles.extend([b"harmless words".to_vec(), b"order-of-another".to_vec()]);
    // Whose parked receipt it is nobody can tell: it stays.
    rig.pass(limits::ORPHAN_GIVE_UP + HOUR);
    erase(&mut rig, 5, Subject::Customer(1));
    for id in one.all().into_iter().chain(other.all()) {
        check_gone(&rig.view(id));
    }
    rig.pass(HOUR);
    let [state] = states(&mut rig).try_into().unwrap();
    assert!(state.finished.is_some() && state.customer == 1, "{state:?}");
    let found = finds(&mut rig, &needles);
    // The receipt that nobody knew names the number alone.
    let mut rig = if found.is_empty() {
        rig
    } else {
        erase(&mut rig, 6, recipient());
        rig.pass(HOUR);
        rig
    };
    assert_eq!(finds(&mut rig, &needles), Vec::<String>::new());
}

#[test]
fn a_crash_at_any_moment_of_an_erasure_only_delays_it() {
    let mut rig = rig();
    let [gone, kept] = populate(&mut rig);
    erase(&mut rig, 9, recipient());
    let mut finished = false;
    for nth in 0..60 {
        rig.pass(Duration::from_millis(70 * (nth % 7)));
        finished |= states(&mut rig).iter().any(|state| state.finished.is_some());
        rig = rig.crash(Duration::from_millis(1), Undecided::Lost);
        check_answers(&mut rig, &gone, &kept);
    }
    rig.pass(HOUR);
    finished |= states(&mut rig).iter().all(|state| state.finished.is_some());
    assert!(finished);
    assert_eq!(finds(&mut rig, &needles()), Vec::<String>::new());
    check_answers(&mut rig, &gone, &kept);
}

#[test]
fn a_customer_redacts_a_message_once_it_is_final() {
    let mut rig = rig();
    let [own, kept] = populate(&mut rig);
    let redact = |rig: &mut Rig, id: MessageId| {
        let answer = rig.ask(request("DELETE", &format!("/api/v1/messages/{id}"), b""));
        match answer {
            ApiResponse::Redacted => 204,
            ApiResponse::Problem(problem) => problem.status(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(redact(&mut rig, own.queued[0]), 409);
    assert_eq!(redact(&mut rig, own.submitted[0]), 409);
    assert_eq!(redact(&mut rig, MessageId::from_u128(7)), 404);
    let (one, other) = (own.closed[39], kept.closed[39]);
    assert_eq!(redact(&mut rig, one), 204);
    assert_eq!(redact(&mut rig, one), 204, "again");
    check_gone(&rig.view(one));
    assert_eq!(rig.events(one).last().unwrap(), "redacted");
    assert!(!rig.view(other).redacted && !rig.view(own.closed[38]).redacted);
    assert_eq!(rig.count(Counter::MessagesRedacted), 1);
    let mut rig = rig.crash(Duration::from_secs(1), Undecided::Lost);
    check_gone(&rig.view(one));
    let words = format!("{SECRET} 39").into_bytes();
    assert!(!finds(&mut rig, std::slice::from_ref(&words)).is_empty());
    rig.pass(limits::REDACTIONS_GATHERED + HOUR);
    assert_eq!(finds(&mut rig, &[words]), Vec::<String>::new());
    check_gone(&rig.view(one));
    assert_eq!(text(&rig.view(own.closed[38])), format!("{SECRET} 38"));
    assert_eq!(rig.status(one), "delivered");
}

#[test]
fn an_opt_out_is_refused_and_outlives_the_erasure_and_the_segments() {
    let mut rig = rig();
    let opt_out = |rig: &mut Rig, on| {
        let recipient = Msisdn::from_u64(ERASED).unwrap();
        rig.control(ControlRequest::OptOut { customer: 1, recipient, on })
    };
    let refused = |rig: &mut Rig| {
        let body = format!(r#"{{"from":"Acme","to":"+{ERASED}","body":"hello"}}"#);
        rig.post(&body).err().map(|problem| (problem.status(), problem.code.name()))
    };
    assert_eq!(opt_out(&mut rig, true), ControlAnswer::Done);
    assert_eq!(refused(&mut rig), Some((422, "recipient_opted_out")));
    erase(&mut rig, 1, recipient());
    rig.pass(HOUR);
    assert_eq!(refused(&mut rig), Some((422, "recipient_opted_out")));
    let mut rig = rig.crash(Duration::from_secs(1), Undecided::Lost);
    assert_eq!(refused(&mut rig), Some((422, "recipient_opted_out")));
    for (file, _) in postrider_storage::Disk::list_side(rig.disk()).unwrap() {
        postrider_storage::Disk::remove_side(rig.disk(), file).unwrap();
    }
    let mut rig = rig.crash(Duration::from_secs(1), Undecided::Lost);
    assert_eq!(refused(&mut rig), Some((422, "recipient_opted_out")));
    assert_eq!(
        finds(&mut rig, &traces::of_number(ERASED)),
        Vec::<String>::new(),
        "the hash alone is kept"
    );
    assert_eq!(opt_out(&mut rig, false), ControlAnswer::Done);
    assert_eq!(refused(&mut rig), None);
    assert_eq!(rig.count(Counter::RefusedOptedOut), 1);
}

#[test]
fn a_message_that_wakes_while_its_recipient_is_being_erased_still_tells_its_end() {
    let mut rig = Rig::new(&one_carrier("enquire_link_seconds = 3600"));
    rig.bind(0);
    let text = format!("{SECRET} {}", "and more ".repeat(20));
    let id = rig.post(&format!(
        r#"{{"from":"Acme","to":"+{ERASED}","body":"{text}","webhook_url":"https://hook.example/"}}"#
    ));
    let (id, parts) = (id.unwrap(), take(&mut rig));
    assert_eq!(parts.len(), 2);
    rig.pass(Duration::from_secs(60));
    assert_eq!(rig.gauge(Gauge::MessagesInMemory), 0);
    // It wakes when those in memory were forgotten and before the pass looks for it, and nothing comes
    // of that.
    rig.disk_held = true;
    let request = ControlRequest::Erase { id: 1, subject: recipient() };
    rig.shard.handle_control(rig.at(), 1, request);
    rig.settle();
    let asked = rig.ask(harness::request("DELETE", &format!("/api/v1/messages/{id}"), b""));
    assert!(matches!(asked, ApiResponse::Redacted), "{asked:?}");
    assert_eq!(rig.gauge(Gauge::MessagesInMemory), 1);
    rig.disk_held = false;
    rig.settle();
    until_done(&mut rig, |rig| rig.pass(Duration::from_secs(1)));
    assert_eq!(finds(&mut rig, &needles()), Vec::<String>::new());
    rig.pass(Duration::from_secs(60));
    assert_eq!(rig.gauge(Gauge::MessagesInMemory), 0);
    deliver(&mut rig, &parts);
    rig.pass(Duration::from_secs(5));
    assert_eq!(rig.status(id), "delivered");
    let events = rig.events(id);
    assert!(events.iter().any(|event| event.starts_with("webhook_acknowledged")), "{events:?}");
}
