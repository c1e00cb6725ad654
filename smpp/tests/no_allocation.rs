//! The hot path allocates nothing per PDU: counted by the allocator itself. Test code; the one place of the
//! crate's tests with unsafe code, for the allocator's trait.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use postrider_smpp::command::CommandId as C;
use postrider_smpp::pdu::{
    Body, CancelSm, DestAddress, EncodeHead, QuerySm, QuerySmResp, ReplaceSm, ShortMessage,
    UnsuccessSme, decode, decode_for, encode, encode_message, encode_response, encode_submit_multi,
    encode_submit_multi_response, next_frame,
};
use postrider_smpp::receipt::{ReceiptState, parse_receipt};
use postrider_smpp::session::{BindKind, Event, Oddity, Role, Session, SessionConfig, State};
use postrider_smpp::status::CommandStatus;
use postrider_smpp::tlv::Tlvs;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches a thread-local without a
// destructor, which allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

/// receipted_message_id, message_state, network_error_code.
const TLVS: &[u8] = b"\x00\x1E\x00\x0b0000000007\0\x04\x27\x00\x01\x02\x04\x23\x00\x03\x03\x00\x00";
const TEXT: &[u8] = b"id:0000000007 sub:001 dlvrd:001 submit date:2601021530 done date:2601021531 \
                      stat:DELIVRD err:000 text:hello";

/// The same, and billing_identification, which only 5.0 has.
const TLVS_5_0: &[u8] =
    b"\x00\x1E\x00\x0b0000000007\0\x04\x27\x00\x01\x02\x04\x23\x00\x03\x03\x00\x00\x06\x0B\x00\x01\x00";
/// query_sm of message 7.
const QUERY: &[u8] = b"\0\0\0\x15\0\0\0\x03\0\0\0\0\xF0\0\0\x097\0\x01\x01\0";

fn receipt() -> ShortMessage<'static> {
    ShortMessage {
        source: b"447700900123",
        dest: b"ACME",
        esm_class: 4,
        short_message: TEXT,
        tlvs: Tlvs::new(TLVS),
        ..ShortMessage::default()
    }
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
}

#[test]
fn codec_and_receipts_allocate_nothing() {
    let mut out = Vec::with_capacity(4096);
    let count = allocations(|| {
        for sequence in 0..1000 {
            out.clear();
            encode_message(&mut out, C::DELIVER_SM, sequence, &receipt()).unwrap();
            let (frame, used) = next_frame(&out, 70_000).unwrap().unwrap();
            assert_eq!(used, out.len());
            let Ok(Body::Message(message)) = decode(&frame) else { panic!("a message") };
            let read = parse_receipt(&message).unwrap();
            assert_eq!(read.state, Some(ReceiptState::Delivered));
            let end = out.len();
            let id = Some(&b"0000000007"[..]);
            encode_response(&mut out, C::SUBMIT_SM_RESP, CommandStatus(0), sequence, id).unwrap();
            let (frame, _) = next_frame(&out[end..], 70_000).unwrap().unwrap();
            assert!(matches!(
                decode(&frame),
                Ok(Body::MessageResp { message_id: b"0000000007", .. })
            ));
        }
    });
    assert_eq!(count, 0);
}

/// A destination of submit_multi, by number.
fn destination(number: u32) -> DestAddress<'static> {
    match number % 3 {
        0 => DestAddress::DistributionList { name: b"friends" },
        _ => DestAddress::Sme { ton: 1, npi: 1, address: b"447700900123" },
    }
}

#[test]
fn every_request_and_its_parameters_are_read_and_written_without_an_allocation() {
    let mut out = Vec::with_capacity(1 << 16);
    let query = QuerySm { message_id: b"7f", source: b"ACME", ..QuerySm::default() };
    let cancel = CancelSm { message_id: b"7f", source: b"ACME", ..CancelSm::default() };
    let replace = ReplaceSm { short_message: TEXT, ..ReplaceSm::default() };
    let answer = QuerySmResp { message_id: b"7f", message_state: 2, ..QuerySmResp::default() };
    let requests = [
        (C::QUERY_SM, Body::Query(query)),
        (C::CANCEL_SM, Body::Cancel(cancel)),
        (C::REPLACE_SM, Body::Replace(replace)),
        (C::QUERY_SM_RESP, Body::QueryResp(answer)),
        (C::DELIVER_SM, Body::Message(receipt())),
    ];
    let status = CommandStatus::ESME_ROK;
    let count = allocations(|| {
        for sequence in 0..1000 {
            for (command, body) in &requests {
                out.clear();
                let head = EncodeHead { command: *command, status, sequence, version: 0x50 };
                encode(&mut out, head, body).unwrap();
                let (frame, _) = next_frame(&out, 70_000).unwrap().unwrap();
                let tlvs = decode_for(0x50, &frame).unwrap().tlvs();
                assert_eq!(tlvs, body.tlvs());
                for tlv in tlvs {
                    assert!(tlv.typed().is_some());
                }
                assert_eq!(tlvs.faults(*command, 0x50).count(), 0);
            }
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn lists_of_destinations_are_read_and_written_without_an_allocation() {
    let mut out = Vec::with_capacity(1 << 16);
    let message = ShortMessage { short_message: TEXT, ..ShortMessage::default() };
    let failed = UnsuccessSme { ton: 1, npi: 1, address: b"4477", status: CommandStatus(11) };
    let count = allocations(|| {
        for sequence in 0..100 {
            out.clear();
            let to = (0..254).map(destination);
            encode_submit_multi(&mut out, 0x34, sequence, &message, to).unwrap();
            let (frame, _) = next_frame(&out, 70_000).unwrap().unwrap();
            let Ok(Body::SubmitMulti(multi)) = decode(&frame) else { panic!("a submit_multi") };
            assert!((0..).map(destination).zip(multi.destinations.iter()).all(|(a, b)| a == b));
            assert_eq!(multi.destinations.count(), 254);
            assert_eq!(multi.message, message);

            out.clear();
            let ok = CommandStatus::ESME_ROK;
            let list = std::iter::repeat_n(failed, 254);
            encode_submit_multi_response(&mut out, 0x34, ok, sequence, b"id", list).unwrap();
            let (frame, _) = next_frame(&out, 70_000).unwrap().unwrap();
            let Ok(Body::SubmitMultiResp(response)) = decode(&frame) else { panic!("its answer") };
            assert!(response.unsuccessful.iter().all(|each| each == failed));
            assert_eq!(response.unsuccessful.count(), 254);
        }
    });
    assert_eq!(count, 0);
}

/// Moves what `from` has written to `to`.
fn carry(from: &mut Session, to: &mut Session, line: &mut Vec<u8>, now: Duration) {
    line.clear();
    from.take_output(line);
    to.handle_bytes(now, line);
}

#[test]
fn two_sessions_in_full_swing_allocate_nothing() {
    let mut esme = Session::new(SessionConfig { window: 50, ..SessionConfig::default() });
    let smsc = SessionConfig { role: Role::Smsc, window: 50, ..SessionConfig::default() };
    let mut smsc = Session::new(smsc);
    let mut line = Vec::with_capacity(100_000);
    let mut now = Duration::ZERO;
    esme.handle_connected(now);
    smsc.handle_connected(now);
    carry(&mut esme, &mut smsc, &mut line, now);
    while smsc.poll_event().is_some() {}
    smsc.answer_bind(1, 0);
    while smsc.poll_event().is_some() {}
    carry(&mut smsc, &mut esme, &mut line, now);
    while esme.poll_event().is_some() {}
    assert_eq!(esme.state(), State::Bound(BindKind::Transceiver));
    let mut to_answer = Vec::with_capacity(100);
    let mut done = 0;
    let newer = ShortMessage { tlvs: Tlvs::new(TLVS_5_0), ..receipt() };
    let mut round = |now: Duration| {
        smsc.handle_bytes(now, QUERY);
        assert!(matches!(smsc.poll_event(), Some(Event::Request { sequence: 0xF000_0009, .. })));
        let state = QuerySmResp { message_id: b"7", message_state: 2, ..QuerySmResp::default() };
        smsc.respond_with(C::QUERY_SM, 0xF000_0009, 0, &Body::QueryResp(state));
        for token in 0..50 {
            esme.submit(now, token, &newer).unwrap();
            smsc.submit(now, token, &receipt()).unwrap();
        }
        carry(&mut esme, &mut smsc, &mut line, now);
        while let Some(event) = smsc.poll_event() {
            let Event::Message { sequence, .. } = event else { panic!("a message") };
            to_answer.push(sequence);
        }
        for sequence in to_answer.drain(..) {
            smsc.respond(C::SUBMIT_SM, sequence, 0, b"0000000007");
        }
        carry(&mut smsc, &mut esme, &mut line, now);
        while let Some(event) = esme.poll_event() {
            match event {
                // The answer to the query, which this session did not ask.
                Event::Counted(Oddity::UnknownResponse) => {}
                Event::Response { message_id: b"0000000007", status: 0, .. } => done += 1,
                Event::Message { sequence, .. } => to_answer.push(sequence),
                other => panic!("{other:?}"),
            }
        }
        for sequence in to_answer.drain(..) {
            esme.respond(C::DELIVER_SM, sequence, 0, b"");
        }
        carry(&mut esme, &mut smsc, &mut line, now);
        while let Some(event) = smsc.poll_event() {
            assert!(matches!(event, Event::Response { status: 0, .. }));
            done += 1;
        }
        esme.handle_timeout(now);
        assert!(esme.poll_timeout().is_some());
    };
    for _ in 0..3 {
        round(now);
    }
    let count = allocations(|| {
        for _ in 0..1000 {
            now += Duration::from_millis(10);
            round(now);
        }
    });
    assert_eq!(count, 0, "buffers are warm after three rounds");
    assert_eq!(done, 1003 * 100);
}
