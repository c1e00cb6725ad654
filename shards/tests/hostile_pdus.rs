//! A carrier that misbehaves in every way we know, against a living gateway: each PDU and stream
//! gets its reaction, the gateway binds again, a good carrier works all the while, and no message is
//! lost. Test code; each misbehaving carrier lives on a thread of its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod hostile;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hostile::carrier::{GoodCarrier, Script};
use hostile::pdu::{
    BIND_TRX, BIND_TRX_RESP, DELIVER, DELIVER_RESP, Deliver, NACK, Pdu, RX_R_APPN, SUBMIT,
    SUBMIT_RESP, UNBIND, UNBIND_RESP, from_handset, receipt, receipt_text, taken, tlv, unhex,
};
use hostile::scenario::{Head, Scenario, Stage, Vectors, reaction, status_as_deliver};
use hostile::{Gateway, await_final, carrier_text, route_text};

/// Every vector that leaves the connection alive, on both binds, as it is and as a deliver_sm.
fn vectors_that_live_on(it: &mut Scenario<'_>) {
    let bound = it.script.bound(2);
    let stage = it.stage;
    for (number, vector) in stage.vectors.list("vectors").iter().enumerate() {
        let id = vector["id"].as_str().unwrap();
        let Some(wanted) = reaction(id) else { continue };
        assert_eq!(vector["connection_survives"], true, "{id}");
        let mut octets = unhex(vector["hex"].as_str().unwrap());
        let index = bound[number % 2];
        it.reacts(index, id, &octets, &wanted);
        stage.note(id);
        if octets[4..8] == SUBMIT.to_be_bytes() {
            octets[7] = DELIVER as u8;
            let wanted = (DELIVER_RESP, status_as_deliver(id), u32::from(octets[15]));
            it.reacts(index, &format!("{id} as deliver_sm"), &octets, &[wanted]);
        }
    }
    for index in bound {
        assert!(!it.script.is_closed(index));
    }
    it.is_well();
}

/// The streams cut into chunks.
fn streams_cut_anywhere(it: &mut Scenario<'_>) {
    let bound = it.script.bound(2);
    let stage = it.stage;
    for (number, test) in stage.vectors.list("stream_tests").iter().enumerate() {
        let id = test["id"].as_str().unwrap();
        let pdus = test["expected_pdus"].as_u64().unwrap() as usize;
        if pdus == 0 {
            continue;
        }
        let stream = unhex(test["stream_hex"].as_str().unwrap());
        let size = test["chunk_sizes"][0].as_u64().unwrap() as usize;
        let index = bound[number % 2];
        for chunk in stream.chunks(size) {
            it.script.send(index, chunk);
        }
        let seen = it.script.reactions(index, pdus);
        let seen: Vec<Head> = seen.iter().map(Pdu::head).collect();
        assert_eq!(seen, vec![(DELIVER_RESP, RX_R_APPN, 0x4d); pdus], "{id}");
        stage.note(id);
    }
    it.is_well();
}

/// Replaces a PDU's sequence number.
fn renumbered(mut octets: Vec<u8>, sequence: u32) -> Vec<u8> {
    octets[12..16].copy_from_slice(&sequence.to_be_bytes());
    octets
}

/// Odd answers to a submit_sm that waits.
fn odd_answers(it: &mut Scenario<'_>) {
    it.script.bound(2);
    for (id, end, carrier_id) in [
        ("gnack-with-body", "rejected", None),
        ("stray-3", "delivered", Some("abc")),
        ("body-on-error", "rejected", None),
        ("congestion-in-34", "delivered", Some("0123456789")),
    ] {
        let (own, to, index, submit) = it.submitted();
        let octets = renumbered(it.stage.vectors.octets(id), submit);
        it.reacts(index, id, &octets, &[]);
        if let Some(carrier_id) = carrier_id {
            it.receipt(index, &to, carrier_id, "DELIVRD");
        }
        it.stage.await_status(&own, end);
        it.stage.note(id);
    }
    it.is_well();
}

/// What comes while the bind waits for its answer, and binds answered oddly.
fn odd_binds(it: &mut Scenario<'_>) {
    it.script.answers_binds = false;
    let binds = [it.script.next(0), it.script.next(1)];
    for (index, bind) in binds.into_iter().enumerate() {
        assert_eq!(bind.command, BIND_TRX);
        let octets = it.stage.vectors.octets("submit-in-open");
        it.reacts(index, "submit-in-open", &octets, &[(SUBMIT_RESP, 4, 1)]);
        let early = from_handset(5, "447700900123").octets();
        it.reacts(index, "deliver_sm before the bind", &early, &[(DELIVER_RESP, 4, 5)]);
        let other = Pdu::new(BIND_TRX_RESP, 0, bind.sequence + 7, b"fake\0").octets();
        it.reacts(index, "an answer to another bind", &other, &[]);
        let octets = renumbered(it.stage.vectors.octets("bind-resp-no-body-ok"), bind.sequence);
        it.reacts(index, "bind-resp-no-body-ok", &octets, &[]);
        it.reacts(index, "an answer twice", &octets, &[]);
        it.script.set_bound(index);
    }
    it.script.answers_binds = true;
    it.stage.note("submit-in-open");
    it.stage.note("bind-resp-no-body-ok");
    it.is_well();
}

/// A bind refused, and a carrier that unbinds: the gateway comes back.
fn refused_and_unbound(it: &mut Scenario<'_>) {
    it.script.answers_binds = false;
    let bind = it.script.next(0);
    it.script.send_pdu(0, &Pdu::new(BIND_TRX_RESP, 0x0D, bind.sequence, b""));
    let bind = it.script.next(1);
    it.script.send_pdu(1, &Pdu::new(BIND_TRX_RESP, 0, bind.sequence, b"fake\0"));
    it.script.set_bound(1);
    it.script.closed(0);
    it.script.answers_binds = true;
    let sequence = it.sequence();
    it.script.send_pdu(1, &Pdu::new(UNBIND, 0, sequence, b""));
    it.script.closed(1);
    let seen: Vec<Head> = it.script.take(1).iter().map(Pdu::head).collect();
    assert_eq!(seen, [(UNBIND_RESP, 0, sequence)]);
    it.stage.closes.fetch_add(2, Ordering::SeqCst);
    it.is_well();
}

/// Two streams that cannot be followed, one on each bind; what was on its way comes again.
fn unfollowable(it: &mut Scenario<'_>, streams: [(&str, Vec<u8>, bool); 2]) {
    let bound = it.script.bound(2);
    let (id, to, _, _) = it.submitted();
    for (index, (name, octets, nack)) in bound.into_iter().zip(streams) {
        it.closes(index, name, &octets, nack);
        it.stage.note(name);
    }
    let (index, pdu) = it.script.next_submit();
    assert_eq!(pdu.destination(), to, "what was on its way is sent again");
    it.take_and_deliver(index, pdu.sequence, &format!("again{to}"), &to);
    it.stage.await_status(&id, "delivered");
    it.is_well();
}

fn lengths_below_a_header(it: &mut Scenario<'_>) {
    let vectors = &it.stage.vectors;
    let streams =
        [("len-0", vectors.octets("len-0"), true), ("len-15", vectors.octets("len-15"), true)];
    unfollowable(it, streams);
}

fn lengths_beyond_all(it: &mut Scenario<'_>) {
    let vectors = &it.stage.vectors;
    let streams = [
        ("len-tls", vectors.octets("len-tls"), false),
        ("len-huge", vectors.octets("len-huge"), true),
    ];
    unfollowable(it, streams);
}

fn other_protocols(it: &mut Scenario<'_>) {
    let hello = [&unhex("160303007a02000076030365")[..], &[0x5a; 115]].concat();
    let http = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec();
    unfollowable(it, [("a TLS hello", hello, false), ("an HTTP answer", http, false)]);
}

/// Half a PDU and silence on one bind, the slow stream octet by octet on the other: the timer for
/// the rest of a PDU (10 s) closes both, however the octets are spread.
fn stalls(it: &mut Scenario<'_>) {
    const LIMIT: Duration = Duration::from_secs(30);
    let bound = it.script.bound(2);
    let tests = it.stage.vectors.list("stream_tests").iter();
    let slow = tests.into_iter().find(|test| test["id"] == "slowloris").unwrap();
    let slow = unhex(slow["stream_hex"].as_str().unwrap());
    let half = receipt(1, "447700900123", "half", "DELIVRD").octets();
    let started = Instant::now();
    it.script.send(bound[0], &half[..half.len() / 2]);
    let mut rest = slow.into_iter();
    while !(it.script.is_closed(bound[0]) && it.script.is_closed(bound[1])) {
        if let Some(octet) = rest.next() {
            it.script.send(bound[1], &[octet]);
        }
        std::thread::sleep(Duration::from_millis(900));
        assert!(started.elapsed() < LIMIT, "a stalled PDU is waited for without end");
    }
    assert!(started.elapsed() > Duration::from_secs(8), "closed too early");
    for index in bound {
        assert_eq!(it.script.take(index), []);
        it.stage.closes.fetch_add(1, Ordering::SeqCst);
    }
    it.stage.note("slowloris");
    it.is_well();
}

/// Receipts in every odd form.
fn odd_receipts(it: &mut Scenario<'_>) {
    let bound = it.script.bound(2);
    let (first, second) = (bound[0], bound[1]);
    for (index, id) in [(first, "never-given"), (second, "NEVER"), (first, "0"), (second, "-1")] {
        it.receipt(index, "447700900123", id, "DELIVRD");
        it.receipt(index, "no-number", id, "UNDELIV");
    }
    // Twice, and then a contradiction.
    let (id, to, index, submit) = it.submitted();
    it.take_and_deliver(index, submit, "twice", &to);
    it.receipt(index, &to, "twice", "DELIVRD");
    it.receipt(index, &to, "twice", "UNDELIV");
    let seen = it.stage.await_status(&id, "delivered");
    let timeline = seen["timeline"].as_array().unwrap();
    let events = |name: &str| timeline.iter().filter(|entry| entry["event"] == name).count();
    assert_eq!((events("delivered"), events("late_receipt")), (1, 1), "{seen:#}");
    // In other case, without leading zeros, on the other bind, which is on the other shard.
    for (given, told, other_bind) in [
        ("AbCdEf01", "aBcDeF01", false),
        ("00000a17", "A17", false),
        ("other-bind", "other-bind", true),
        ("BOTH", "both", true),
    ] {
        let (id, to, index, submit) = it.submitted();
        it.script.send_pdu(index, &taken(submit, given));
        let index = if other_bind { first + second - index } else { index };
        it.receipt(index, &to, told, "DELIVRD");
        it.stage.await_status(&id, "delivered");
    }
    // A word that is not known ends nothing.
    let (id, to, index, submit) = it.submitted();
    it.script.send_pdu(index, &taken(submit, "words"));
    for stat in ["WHATEVR", "", "ENROUTE", "ACCEPTD", "\u{1}\u{2}"] {
        it.receipt(index, &to, "words", stat);
        assert_eq!(it.stage.status(&id), "submitted", "{stat:?}");
    }
    it.receipt(index, &to, "words", "UNDELIV");
    it.stage.await_status(&id, "undelivered");
    it.is_well();
}

/// Receipts without the mark in esm_class, without a text, and in UCS-2.
fn receipts_in_odd_dress(it: &mut Scenario<'_>) {
    it.script.bound(2);
    for (esm_class, data_coding, carrier_id) in
        [(4, 0, "tlv-marked"), (0, 0, "tlv-alone"), (4, 8, "wide-marked")]
    {
        let (id, to, index, submit) = it.submitted();
        it.script.send_pdu(index, &taken(submit, carrier_id));
        let name = [carrier_id.as_bytes(), b"\0"].concat();
        let tlvs = [tlv(0x001E, &name), tlv(0x0427, &[2])].concat();
        let wide = receipt_text(carrier_id, "DELIVRD");
        let wide: Vec<u8> = wide.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let (text, tlvs) = if data_coding == 8 { (wide, vec![]) } else { (vec![], tlvs) };
        let (text, tlvs) = (&text[..], &tlvs[..]);
        let sequence = it.sequence();
        let pdu = Deliver {
            sequence,
            source: &to,
            esm_class,
            data_coding,
            text,
            tlvs,
            ..Deliver::default()
        }
        .pdu();
        it.reacts(index, carrier_id, &pdu.octets(), &[(DELIVER_RESP, 0, sequence)]);
        it.stage.await_status(&id, "delivered");
    }
    it.is_well();
}

/// A receipt that names no message matches none, whatever ids messages have.
fn receipts_without_an_id(it: &mut Scenario<'_>) {
    it.script.bound(2);
    for carrier_id in ["000", "0"] {
        let (id, to, index, submit) = it.submitted();
        it.script.send_pdu(index, &taken(submit, carrier_id));
        let sequence = it.sequence();
        let tlvs = &tlv(0x0427, &[2])[..];
        let text = b"stat:DELIVRD";
        let pdu =
            Deliver { sequence, source: &to, esm_class: 4, text, tlvs, ..Deliver::default() }.pdu();
        it.reacts(index, "no id", &pdu.octets(), &[(DELIVER_RESP, 0, sequence)]);
        let seen = it.stage.await_status(&id, "submitted");
        assert_eq!(seen["timeline"].as_array().unwrap().len(), 2, "{seen:#}");
        it.receipt(index, &to, carrier_id, "UNDELIV");
        it.stage.await_status(&id, "undelivered");
    }
    it.is_well();
}

/// Another carrier knows the id that this one gave: its receipt is not for our message.
fn receipts_of_another_carrier(it: &mut Scenario<'_>) {
    it.script.bound(2);
    let (id, to, index, submit) = it.submitted();
    // Every good carrier's first message has this id, and is delivered by then.
    it.script.send_pdu(index, &taken(submit, "good00000001"));
    it.script.reactions(index, 0);
    assert_eq!(it.stage.status(&id), "submitted");
    it.receipt(index, "447490000000", "good00000001", "UNDELIV");
    it.stage.await_status(&id, "undelivered");
    assert_eq!(to.len(), 12);
    it.is_well();
}

/// Receipts that come before the submit_sm_resp, on the same and on the other bind.
fn overtaking_receipts(it: &mut Scenario<'_>) {
    let bound = it.script.bound(2);
    for round in 0..6 {
        let (id, to, index, submit) = it.submitted();
        let carrier_id = format!("early{round}");
        let other = bound[0] + bound[1] - index;
        it.receipt(if round % 2 == 0 { index } else { other }, &to, &carrier_id, "DELIVRD");
        assert_eq!(it.stage.status(&id), "queued");
        it.script.send_pdu(index, &taken(submit, &carrier_id));
        it.stage.await_status(&id, "delivered");
    }
    it.is_well();
}

/// Messages from handsets, one of the greatest size.
fn from_handsets(it: &mut Scenario<'_>) {
    let bound = it.script.bound(2);
    for (sequence, index) in (1..20).zip(bound.iter().copied().cycle()) {
        let pdu = from_handset(sequence, "447700900123");
        it.reacts(index, "MO", &pdu.octets(), &[(DELIVER_RESP, RX_R_APPN, sequence)]);
    }
    let tlvs = tlv(0x0424, &[b'x'; 65_535]);
    let source = "447700900123";
    let large = Deliver { sequence: 77, source, tlvs: &tlvs, ..Deliver::default() };
    it.reacts(bound[0], "64 KiB", &large.pdu().octets(), &[(DELIVER_RESP, RX_R_APPN, 77)]);
    it.is_well();
}

/// Answers that nobody waits for, twice, out of order, and refused by generic_nack.
fn odd_order(it: &mut Scenario<'_>) {
    let bound = it.script.bound(2);
    for sequence in [0, 77_777, 0x7FFF_FFFF, u32::MAX] {
        let octets = taken(sequence, "nobody").octets();
        it.reacts(bound[0], "an answer to nothing", &octets, &[]);
        let octets = Pdu::new(NACK, 3, sequence, b"").octets();
        it.reacts(bound[0], "a nack to nothing", &octets, &[]);
    }
    let (id, to, index, submit) = it.submitted();
    it.script.send_pdu(index, &taken(submit, "first"));
    it.reacts(index, "an answer twice", &taken(submit, "second").octets(), &[]);
    let refusal = Pdu::new(SUBMIT_RESP, 0x0B, submit, b"").octets();
    it.reacts(index, "a refusal after the answer", &refusal, &[]);
    it.receipt(index, &to, "first", "DELIVRD");
    it.stage.await_status(&id, "delivered");
    let mut waiting: Vec<_> = (0..8).map(|_| it.submitted()).collect();
    waiting.reverse();
    for (_, to, index, submit) in &waiting {
        it.script.send_pdu(*index, &taken(*submit, &format!("order{to}")));
    }
    for (id, to, index, _) in &waiting[3..] {
        it.receipt(*index, to, &format!("order{to}"), "DELIVRD");
        it.stage.await_status(id, "delivered");
    }
    for (id, to, index, _) in &waiting[..3] {
        it.receipt(*index, to, &format!("order{to}"), "EXPIRED");
        it.stage.await_status(id, "expired");
    }
    it.is_well();
}

/// A submit that this carrier refuses with generic_nack goes to the next one, which delivers it.
fn nacked(it: &mut Scenario<'_>) {
    it.script.bound(2);
    for status in [3, 2, 0xFFFF_FFFF] {
        let (id, _, index, submit) = it.submitted();
        it.reacts(index, "generic_nack", &Pdu::new(NACK, status, submit, b"").octets(), &[]);
        let seen = it.stage.await_status(&id, "delivered");
        assert_eq!(seen["carrier"], "good", "{seen:#}");
    }
}

/// Far more receipts at once than may wait: each is answered, taken or put off.
fn flood(it: &mut Scenario<'_>) {
    let index = it.script.bound(2)[0];
    let count = 3_000;
    let pdus = (1..=count).map(|n| receipt(n, "447700900123", &format!("flood{n}"), "DELIVRD"));
    let octets: Vec<u8> = pdus.flat_map(|pdu| pdu.octets()).collect();
    it.script.send(index, &octets);
    let seen = it.script.reactions(index, count as usize);
    let mut answered: Vec<u32> = seen.iter().map(|pdu| pdu.sequence).collect();
    answered.sort_unstable();
    assert_eq!(answered, (1..=count).collect::<Vec<u32>>(), "each exactly once");
    let put_off = seen.iter().filter(|pdu| pdu.status == 0x14).count();
    assert!(seen.iter().all(|pdu| matches!(pdu.head(), (DELIVER_RESP, 0 | 0x14, _))));
    println!("a flood of {count} receipts: {put_off} were put off with ESME_RMSGQFUL");
    it.is_well();
}

/// PDUs with octets changed at random (one seed), their lengths kept: the connection lives on.
fn changed_octets(it: &mut Scenario<'_>) {
    let bound = it.script.bound(2);
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let tlvs = [tlv(0x001E, b"abc\0"), tlv(0x0427, &[2]), tlv(0x0424, b"payload")].concat();
    let long = Deliver { esm_class: 4, text: b"id:1", tlvs: &tlvs, ..Deliver::default() };
    let seeds = [receipt(1, "447700900123", "1", "DELIVRD").octets(), long.pdu().octets()];
    for round in 0..2_000 {
        let mut octets = seeds[random() as usize % 2].clone();
        for _ in 0..1 + random() % 6 {
            let at = 16 + random() as usize % (octets.len() - 16);
            octets[at] = random() as u8;
        }
        // Other commands too, but for those that end a session by right.
        let command = random() as u8 % 0x30;
        if random() % 4 == 0 && u32::from(command) != UNBIND {
            octets[7] = command;
        }
        it.script.send(bound[round % 2], &octets);
    }
    for index in bound {
        it.script.reactions(index, 0);
        // Answers that waited for the disk come after the sign of life.
        std::thread::sleep(Duration::from_millis(300));
        it.script.reactions(index, 0);
        assert!(!it.script.is_closed(index), "closed by a changed PDU");
    }
    it.is_well();
}

type Play = fn(&mut Scenario<'_>);

const SCENARIOS: [(&str, Play); 18] = [
    ("vectors that live on", vectors_that_live_on),
    ("streams cut anywhere", streams_cut_anywhere),
    ("odd answers", odd_answers),
    ("odd binds", odd_binds),
    ("refused and unbound", refused_and_unbound),
    ("lengths below a header", lengths_below_a_header),
    ("lengths beyond all", lengths_beyond_all),
    ("other protocols", other_protocols),
    ("stalls", stalls),
    ("odd receipts", odd_receipts),
    ("receipts in odd dress", receipts_in_odd_dress),
    ("receipts without an id", receipts_without_an_id),
    ("receipts of another carrier", receipts_of_another_carrier),
    ("overtaking receipts", overtaking_receipts),
    ("from handsets", from_handsets),
    ("odd order", odd_order),
    ("flood", flood),
    ("changed octets", changed_octets),
];

/// Submits to the good carrier all the while.
fn keep_submitting(stage: &Stage, done: &AtomicBool) -> usize {
    let mut count = 0;
    while !done.load(Ordering::SeqCst) {
        count += 1;
        stage.submit(&format!("4474{count:08}"));
        std::thread::sleep(Duration::from_millis(50));
    }
    count
}

fn prefix(number: usize) -> String {
    format!("4475{number:02}")
}

fn scenario(stage: &Stage, script: Script, number: usize) -> Scenario<'_> {
    Scenario { stage, script, prefix: prefix(number), next_number: 0, next_sequence: 500_000 }
}

/// Plays every scenario on a thread of its own; returns how many messages the good carrier got.
fn play(stage: &Stage, scripts: Vec<Script>, nacker: Script) -> usize {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let background = scope.spawn(|| keep_submitting(stage, &done));
        let mut players = Vec::new();
        for (number, (script, (name, play))) in scripts.into_iter().zip(SCENARIOS).enumerate() {
            players.push((name, scope.spawn(move || play(&mut scenario(stage, script, number)))));
        }
        let nacks = move || nacked(&mut scenario(stage, nacker, SCENARIOS.len()));
        players.push(("nacked", scope.spawn(nacks)));
        let failed: Vec<&str> = players
            .into_iter()
            .filter_map(|(name, player)| player.join().is_err().then_some(name))
            .collect();
        done.store(true, Ordering::SeqCst);
        let count = background.join().unwrap();
        assert!(failed.is_empty(), "failed: {failed:?}");
        count
    })
}

#[test]
fn hostile_carriers_get_their_answers_and_lose_nothing() {
    let good = GoodCarrier::start();
    let scripts: Vec<Script> = SCENARIOS.iter().map(|_| Script::listen()).collect();
    let nacker = Script::listen();
    let mut text = carrier_text("good", good.at) + &carrier_text("nacker", nacker.at);
    for (number, script) in scripts.iter().enumerate() {
        text.push_str(&carrier_text(&format!("hostile-{number}"), script.at));
    }
    text.push_str(&route_text("4474", &["good"]));
    text.push_str(&route_text(&prefix(SCENARIOS.len()), &["nacker", "good"]));
    for number in 0..scripts.len() {
        text.push_str(&route_text(&prefix(number), &[&format!("hostile-{number}")]));
    }
    let mut gateway = Gateway::start(&text);
    let stage = Stage {
        vectors: Vectors::load(),
        http: gateway.http,
        accepted: Mutex::default(),
        played: Mutex::default(),
        closes: AtomicUsize::new(0),
        reactions: AtomicUsize::new(0),
    };
    for number in 0..20 {
        stage.submit(&format!("447490{number:06}"));
    }
    let during = play(&stage, scripts, nacker);
    gateway.assert_alive();
    for number in 0..20 {
        stage.submit(&format!("447491{number:06}"));
    }
    let accepted = stage.accepted.lock().unwrap().clone();
    let ends = await_final(stage.http, &accepted);
    let played = stage.played.lock().unwrap().clone();
    let taken = good.taken();
    println!(
        "{} vectors and streams, {} reactions, {} closes; {} messages accepted, {during} of them \
         for the good carrier meanwhile, ends {ends:?}; receipts parked {}, matched {}; lost {}",
        played.len(),
        stage.reactions.load(Ordering::SeqCst),
        stage.closes.load(Ordering::SeqCst),
        accepted.len(),
        gateway.metric("postrider_receipts_parked_total", ""),
        gateway.metric("postrider_receipts_total", "outcome=\"matched\""),
        accepted.len() - ends.values().sum::<usize>(),
    );
    for list in ["vectors", "stream_tests"] {
        for vector in stage.vectors.list(list) {
            let id = vector["id"].as_str().unwrap();
            assert!(played.contains_key(id), "{id} was not played");
        }
    }
    assert_eq!(taken.len(), during + 40 + 3, "the good carrier got every message");
    assert!(taken.values().all(|times| *times == 1), "and each once");
    let other = [ends["expired"], ends["undelivered"], ends["rejected"]];
    assert_eq!(other, [3, 4, 2], "as the scenarios want it: {ends:?}");
    assert_eq!(ends["delivered"] + 9, accepted.len(), "{ends:?}");
    let matched = gateway.metric("postrider_receipts_total", "outcome=\"matched\"");
    assert_eq!(matched as usize + ends["rejected"], accepted.len(), "a receipt for every message");
    let log = gateway.log();
    for reason in ["the peer speaks TLS", "the peer speaks HTTP", "the peer stalled inside a PDU"] {
        assert!(log.contains(reason), "the log does not say: {reason}");
    }
    gateway.stop();
}
