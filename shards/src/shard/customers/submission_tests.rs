//! Addresses and times of submissions.
#![allow(clippy::unwrap_used, reason = "tests")]

use postrider_core::config::Config;
use postrider_smpp::values::AbsoluteTime;

use super::*;

const NOW: UnixMs = UnixMs(1_790_000_000_000);

fn smpp(default_sender: Option<&str>) -> CustomerSmpp {
    let text = r#"
        [smpp]
        listen = "127.0.0.1:0"
        [[customers]]
        name = "shop"
        [customers.smpp]
        system_id = "shop"
        password = "secret"
        [[carriers]]
        name = "alpha"
        address = "127.0.0.1:1"
        system_id = "x"
        password = "y"
        [[routes]]
        prefix = ""
        carriers = ["alpha"]
    "#;
    let config = Config::parse(text).unwrap().customers.remove(0);
    let default_sender = default_sender.map(|text| SenderId::parse(text).unwrap());
    CustomerSmpp { default_sender, ..config.smpp.unwrap() }
}

#[test]
fn senders_are_read_by_their_type_of_number() {
    let account = smpp(None);
    for (ton, address, expected) in [
        (5, "Acme", "Acme"),
        (0, "Acme", "Acme"),
        (1, "447700900123", "+447700900123"),
        (1, "+447700900123", "+447700900123"),
        (0, "00447700900123", "+447700900123"),
        (0, "447700900123", "+447700900123"),
        (1, "4477009", "+4477009"),
        (3, "12345", "12345"),
        (6, "12345678", "12345678"),
        (1, "12345", "12345"),
        (0, "00123456", "00123456"),
        (5, "00447700900123", ""),
        (1, "", ""),
        (5, "A name too long", ""),
        (5, "a@b", ""),
        (0, "12", ""),
        (0, "\u{e9}", ""),
    ] {
        let read = source(&account, ton, address.as_bytes());
        let text = read.as_ref().map(|sender| sender.as_text().to_string());
        if expected.is_empty() {
            assert_eq!(text, Err(&CommandStatus::ESME_RINVSRCADR), "{ton} {address}");
        } else {
            assert_eq!(text.as_deref(), Ok(expected), "{ton} {address}");
        }
    }
    let account = smpp(Some("Shop"));
    assert_eq!(source(&account, 0, b""), SenderId::parse("Shop").map_err(|_| CommandStatus(0)));
}

#[test]
fn recipients_are_international_or_refused() {
    let number = Msisdn::from_u64(447_700_900_123).unwrap();
    for (ton, address) in [
        (1, "447700900123"),
        (1, "+447700900123"),
        (0, "447700900123"),
        (0, "00447700900123"),
        (2, "447700900123"),
    ] {
        assert_eq!(destination(ton, address.as_bytes()), Ok(number));
    }
    for (ton, address) in
        [(1, ""), (2, "07700900123"), (1, "07700900123"), (0, "12345"), (1, "4477009001234567")]
    {
        let bad = Err(CommandStatus::ESME_RINVDSTADR);
        assert_eq!(destination(ton, address.as_bytes()), bad, "{address}");
    }
    for ton in [3, 4, 5, 6, 255] {
        assert_eq!(destination(ton, b"447700900123"), Err(CommandStatus::ESME_RINVDSTTON));
    }
}

fn absolute(unix_ms: u64) -> [u8; 16] {
    let time = AbsoluteTime::new(i64::try_from(unix_ms).unwrap(), 0).unwrap();
    SmppTime::Absolute(time).print()
}

fn relative(length: Duration) -> Vec<u8> {
    let s = length.as_secs();
    let (d, h, m, s) = (s / 86_400, s / 3_600 % 24, s / 60 % 60, s % 60);
    format!("0000{d:02}{h:02}{m:02}{s:02}000R").into_bytes()
}

#[test]
fn schedules_are_ahead_and_not_too_far() {
    let at = |ms: u64| schedule(NOW, &absolute(ms));
    assert_eq!(schedule(NOW, b""), Ok(None));
    assert_eq!(at(NOW.0 + 3_600_000), Ok(Some(UnixMs(NOW.0 + 3_600_000))));
    assert_eq!(schedule(NOW, &relative(Duration::from_secs(60))), Ok(Some(UnixMs(NOW.0 + 60_000))));
    assert_eq!(at(NOW.0), Ok(None), "now is at once");
    assert_eq!(at(NOW.0 - 60_000), Ok(None), "a clock that is a little late");
    let bad = Err(CommandStatus::ESME_RINVSCHED);
    assert_eq!(at(NOW.0 - 60_100), bad);
    let week = u64::try_from(limits::SCHEDULE_MAX.as_millis()).unwrap();
    assert_eq!(at(NOW.0 + week), Ok(Some(UnixMs(NOW.0 + week))));
    assert_eq!(at(NOW.0 + week + 100), bad);
    assert_eq!(schedule(NOW, b"250230120000000+"), bad, "no such day");
}

#[test]
fn validities_end_after_the_message_is_due_and_are_cut_to_our_longest() {
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    let bad = Err(CommandStatus::ESME_RINVEXPIRY);
    assert_eq!(validity(NOW, None, b""), Ok(None));
    assert_eq!(validity(NOW, None, &relative(hours(1))), Ok(Some(hours(1))));
    assert_eq!(validity(NOW, None, &absolute(NOW.0 + 60_000)), Ok(Some(hours(1) / 60)));
    assert_eq!(validity(NOW, None, &relative(hours(24 * 30))), Ok(Some(limits::VALIDITY_MAX)));
    assert_eq!(validity(NOW, None, &relative(Duration::ZERO)), bad);
    assert_eq!(validity(NOW, None, &absolute(NOW.0 - 1_000)), bad);
    let due = Some(NOW.after(hours(2)));
    assert_eq!(
        validity(NOW, due, &relative(hours(3))),
        Ok(Some(hours(1))),
        "from now, not from then"
    );
    assert_eq!(validity(NOW, due, &relative(hours(2))), bad);
    assert_eq!(validity(NOW, due, b"991332000000000+"), bad);
}
