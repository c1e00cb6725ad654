//! What a planned gateway can carry: Little's law, rates, cores, disk, and the end of a backlog.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use postrider_core::config::{
    Bound, CALIBRATION_FORMAT, Calibration, CalibrationError, Config, Forecast, Plan, PlannedLoad,
    PlannedLoadError,
};
use proptest::prelude::*;

fn carrier(name: &str, binds: u16, window: u16, rate: u32) -> String {
    format!(
        "[[carriers]]\nname = \"{name}\"\naddress = \"h:1\"\nsystem_id = \"x\"\n\
         binds = {binds}\nwindow = {window}\nparts_per_second = {rate}\n"
    )
}

fn route(prefix: &str, carriers: &str) -> String {
    format!("[[routes]]\nprefix = \"{prefix}\"\ncarriers = [{carriers}]\n")
}

fn forecast(text: &str, cores: u16, load: &PlannedLoad) -> Result<Forecast, PlannedLoadError> {
    let config = Config::parse(text).unwrap();
    Plan::new(&config, cores).unwrap().forecast(&config, load)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A message of two parts costs 100 us of a shard, 20 us of others and 1,000 octets; answers take
/// 10 ms.
fn measured() -> Calibration {
    Calibration {
        format: CALIBRATION_FORMAT,
        shards: 2,
        milliseconds: 10_000,
        messages: 1_000,
        parts: 2_000,
        shard_cpu_us: 100_000,
        process_cpu_us: 120_000,
        log_bytes: 1_000_000,
        answers: 2_000,
        answer_us: 20_000_000,
        commits: 500,
        commit_us: 500_000,
    }
}

fn near(value: f64, expected: f64) -> bool {
    (value / expected - 1.0).abs() < 1e-6
}

/// Ten binds of a window of 20 and answers after 50 ms: 4,000 parts a second.
#[test]
fn windows_carry_what_littles_law_says_and_the_lesser_bound_is_first() {
    let load = PlannedLoad { rtt: Some(ms(50)), ..PlannedLoad::default() };
    let of = |rate| {
        let text = carrier("alpha", 10, 20, rate) + &route("", "\"alpha\"");
        forecast(&text, 2, &load).unwrap()
    };
    let free = of(0);
    assert_eq!(free.carriers[0].by_windows, Some(4_000.0));
    assert_eq!(free.most, Some((4_000.0, Bound::Windows("alpha".into()))));
    assert_eq!(free.carriers[0].wanted, None, "neither a load nor a rate says what is wanted");
    let slow = of(3_000);
    assert_eq!(slow.most, Some((3_000.0, Bound::Rate("alpha".into()))));
    assert_eq!(slow.carriers[0].wanted, Some(3_000.0), "what its rate allows");
    assert_eq!(slow.carriers[0].binds_needed, Some(8), "7.5 windows of 400 parts a second");
    assert!(slow.fits());
    let fast = of(5_000);
    assert_eq!(fast.carriers[0].binds_needed, Some(13));
    assert!(!fast.fits(), "the windows are not enough for the rate");
}

#[test]
fn what_is_not_known_is_not_guessed() {
    let text = carrier("alpha", 2, 20, 0) + &route("", "\"alpha\"");
    let load = PlannedLoad { backlog: 10, ..PlannedLoad::default() };
    let forecast = forecast(&text, 1, &load).unwrap();
    assert_eq!((forecast.most.clone(), forecast.drain), (None, None));
    assert_eq!((forecast.cores.clone(), forecast.disk.clone()), (None, None));
    let json = forecast.to_json();
    for name in ["cores", "disk", "most_messages_per_second", "drain_seconds"] {
        assert!(json[name].is_null(), "{json}");
    }
    assert!(json["carriers"][0]["by_windows"].is_null(), "{json}");
    assert!(forecast.to_string().contains("nothing that is known bounds it"), "{forecast}");
}

/// Each route has as much of the load as another, and its first carrier takes it; what is said of a
/// carrier's share counts first.
#[test]
fn shares_follow_the_routes_and_what_is_said() {
    let receiver = "[[carriers]]\nname = \"gamma\"\naddress = \"h:1\"\nsystem_id = \"x\"\n\
                    bind = \"receiver\"\nbinds = 1\n";
    let text = carrier("alpha", 1, 10, 0)
        + &carrier("beta", 1, 10, 0)
        + &carrier("delta", 1, 10, 0)
        + receiver
        + &route("44", "\"alpha\", \"beta\"")
        + &route("49", "\"alpha\"")
        + &route("91", "\"beta\", \"alpha\"");
    let mut load = PlannedLoad {
        messages_per_second: Some(300.0),
        parts: 2.0,
        rtt: Some(ms(100)),
        ..PlannedLoad::default()
    };
    let wanted = |load: &PlannedLoad| -> Vec<f64> {
        let forecast = forecast(&text, 1, load).unwrap();
        forecast.carriers.iter().map(|carrier| carrier.wanted.unwrap()).collect()
    };
    assert_eq!(wanted(&load), [400.0, 200.0, 0.0], "a receiver is sent nothing");
    load.share_of = vec![("alpha".into(), 75.0)];
    assert_eq!(wanted(&load), [450.0, 150.0, 0.0]);
    load.share_of = vec![("delta".into(), 10.0), ("alpha".into(), 60.0)];
    assert!(wanted(&load).iter().zip([360.0, 180.0, 60.0]).all(|(own, is)| near(*own, is)));
    load.rtt_of = vec![("delta".into(), ms(200))];
    // 50 parts a second of delta's windows are 10 % of 500 parts, 250 messages a second.
    let bound = forecast(&text, 1, &load).unwrap().most.unwrap();
    assert_eq!(bound, (100.0 / 0.6 / 2.0, Bound::Windows("alpha".into())));
}

/// Of a route's best group the cheapest carriers take its traffic, by weight.
#[test]
fn shares_follow_prices_and_weights() {
    let entry = |name: &str, priority: u8, cost: u32, weight: u16| {
        format!(
            "{{ carrier = \"{name}\", priority = {priority}, cost_micros = {cost}, \
             weight = {weight} }}"
        )
    };
    let list = [
        entry("alpha", 1, 5_000, 3),
        entry("beta", 1, 5_000, 1),
        entry("gamma", 1, 6_000, 9),
        entry("delta", 2, 1_000, 9),
    ];
    let text = ["alpha", "beta", "gamma", "delta"].map(|name| carrier(name, 1, 10, 0)).concat()
        + "[routing]\ncurrency = \"EUR\"\n"
        + &route("", &list.join(", "));
    let load = PlannedLoad { messages_per_second: Some(100.0), ..PlannedLoad::default() };
    let found = forecast(&text, 1, &load).unwrap();
    let shares: Vec<f64> = found.carriers.iter().map(|own| own.share).collect();
    assert_eq!(shares, [0.75, 0.25, 0.0, 0.0]);
}

#[test]
fn cores_and_disk_come_from_what_was_measured() {
    let text = carrier("alpha", 4, 100, 0)
        + &route("", "\"alpha\"")
        + "[store]\nsegment_mib = 8\nmax_segments = 1000\nretention_hours = 1\n\
           [limits]\nopen_messages = 1000\n";
    let load = PlannedLoad {
        messages_per_second: Some(7_000.0),
        rtt: Some(ms(10)),
        backlog: 9_000,
        calibration: Some(measured()),
        ..PlannedLoad::default()
    };
    let found = forecast(&text, 2, &load).unwrap();
    assert!(near(found.parts, 2.0), "as many as were measured");
    let cores = found.cores.clone().unwrap();
    assert!(near(cores.shard_us, 100.0) && near(cores.other_us, 20.0));
    // Two cores have 2,000,000 us a second, and a message takes 120 of them.
    assert!(near(cores.most, 2e6 / 120.0));
    assert!(near(cores.busy.unwrap(), 0.35));
    assert_eq!(cores.needed, Some(1), "700,000 us a second are 70 % of one core");
    let disk = found.disk.clone().unwrap();
    assert!(near(disk.bytes_per_second.unwrap(), 7e6));
    assert_eq!(disk.lasts.unwrap().as_secs(), 2 * 1_000 * (8 << 20) / 7_000_000);
    assert_eq!(disk.segments_needed, Some(1_503 + 4), "an hour of half of it, and the reserve");
    // The windows carry 20,000 messages a second, more than the cores.
    let (most, bound) = found.most.clone().unwrap();
    assert!(near(most, 2e6 / 120.0) && bound == Bound::Cores, "{most} {bound}");
    assert!(near(found.drain.unwrap().as_secs_f64(), 9_000.0 / (2e6 / 120.0 - 7_000.0)));
    // With a core more than shards, only the shards' own time counts.
    let found = forecast(&(String::from("[server]\nshards = 2\n") + &text), 4, &load).unwrap();
    assert!(near(found.cores.unwrap().most, 20_000.0));
}

/// Twice as many parts as were measured cost twice as much; fewer cost no less.
#[test]
fn a_calibration_errs_on_the_safe_side() {
    let measured = measured();
    assert!(near(measured.shard_us(4.0), 200.0));
    assert!(near(measured.shard_us(1.0), 100.0));
    assert!(near(measured.log_bytes(3.0), 1_500.0));
    assert_eq!(measured.answer_time(), Some(ms(10)));
    assert_eq!(measured.commit_time(), Some(ms(1)));
    // Where answers come faster than their records get to the disk, the disk sets the pace.
    let text = carrier("alpha", 1, 6, 0) + &route("", "\"alpha\"");
    let load =
        PlannedLoad { rtt: Some(ms(1)), calibration: Some(measured), ..PlannedLoad::default() };
    let found = forecast(&text, 1, &load).unwrap();
    assert!(near(found.carriers[0].by_windows.unwrap(), 2_000.0), "6 in 3 ms");
}

#[test]
fn a_backlog_that_does_not_get_smaller_is_said() {
    let text = carrier("alpha", 1, 10, 100) + &route("", "\"alpha\"");
    let load = |rate| PlannedLoad {
        messages_per_second: Some(rate),
        backlog: 1_000,
        ..PlannedLoad::default()
    };
    let drain = |rate| forecast(&text, 1, &load(rate)).unwrap();
    assert_eq!(drain(0.0).drain, Some(Duration::from_secs(10)));
    assert_eq!(drain(50.0).drain, Some(Duration::from_secs(20)));
    let never = drain(100.0);
    assert_eq!((never.drain, never.fits()), (None, true));
    assert!(never.to_string().contains("does not get smaller"), "{never}");
    let over = drain(101.0);
    assert!(!over.fits());
    assert!(over.to_string().contains("NOT what is wanted"), "{over}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let text = carrier("alpha", 1, 10, 100) + &route("", "\"alpha\"");
    let share = |name: &str, percent| PlannedLoad {
        share_of: vec![(name.to_owned(), percent)],
        ..PlannedLoad::default()
    };
    let refusal = |load: &PlannedLoad| forecast(&text, 1, load).expect_err("refused").to_string();
    let unknown = "the configuration has no carrier \"beta\" to which parts are sent";
    assert_eq!(refusal(&share("beta", 1.0)), unknown);
    assert_eq!(refusal(&share("alpha", 100.5)), "a share must be from 0 to 100");
    let load = PlannedLoad { rtt_of: vec![("beta".into(), ms(1))], ..PlannedLoad::default() };
    assert_eq!(refusal(&load), unknown);
    let load = PlannedLoad { messages_per_second: Some(f64::NAN), ..PlannedLoad::default() };
    assert_eq!(refusal(&load), "messages a second must be from 0 to 1000000000");
    let two = PlannedLoad {
        share_of: vec![("alpha".into(), 60.0), ("beta".into(), 60.0)],
        ..PlannedLoad::default()
    };
    let text = carrier("beta", 1, 10, 0) + &text;
    let refused = forecast(&text, 1, &two).expect_err("refused").to_string();
    assert_eq!(refused, "the shares come to more than 100 %");
}

#[test]
fn a_calibration_is_read_as_it_was_written() {
    let measured = measured();
    assert_eq!(Calibration::parse(&measured.to_text()).unwrap(), measured);
    let newer = Calibration { format: 2, ..self::measured() };
    let refused = Calibration::parse(&newer.to_text());
    assert!(matches!(refused, Err(CalibrationError::Format(2))));
    let empty = Calibration { messages: 0, ..measured };
    assert!(matches!(Calibration::parse(&empty.to_text()), Err(CalibrationError::Empty)));
    let refused = Calibration::parse("{\"messages\": 3}").expect_err("refused").to_string();
    assert!(refused.contains("postrider load --calibration"), "{refused}");
}

#[test]
fn the_table_is_for_people() {
    let text = carrier("alpha", 4, 20, 300)
        + &carrier("beta", 2, 5, 0)
        + &route("44", "\"alpha\"")
        + &route("49", "\"beta\"");
    let load = PlannedLoad {
        messages_per_second: Some(120.0),
        rtt_of: vec![("beta".into(), ms(250))],
        backlog: 100_000,
        calibration: Some(measured()),
        ..PlannedLoad::default()
    };
    let shown = forecast(&text, 2, &load).unwrap().to_string();
    let expected = include_str!("vectors/forecast.txt");
    assert_eq!(shown, expected, "correct tests/vectors/forecast.txt when it changes on purpose");
}

proptest! {
    /// Whatever the load, a carrier takes no more than either bound, and as many binds as are said
    /// to be needed are enough while one fewer is not.
    #[test]
    fn needed_binds_are_enough_and_no_more(
        binds in 1..60u16, window in 1..200u16, rate in 0..20_000u32, rtt in 1..500u64,
        wanted in 1..20_000u32,
    ) {
        let load = PlannedLoad {
            messages_per_second: Some(f64::from(wanted)),
            rtt: Some(ms(rtt)),
            ..PlannedLoad::default()
        };
        let text = carrier("alpha", binds, window, if rate < 100 { 0 } else { rate });
        let text = text + &route("", "\"alpha\"");
        let found = forecast(&text, 1, &load).unwrap();
        let own = &found.carriers[0];
        let (most, _) = own.most().unwrap();
        prop_assert!(most <= own.by_windows.unwrap());
        prop_assert!(own.by_rate.is_none_or(|by_rate| most <= by_rate));
        let needed = u16::try_from(own.binds_needed.unwrap()).unwrap_or(u16::MAX);
        let each = f64::from(window) * 1_000.0 / ms(rtt).as_secs_f64() / 1_000.0;
        prop_assert!(f64::from(needed) * each >= f64::from(wanted) * (1.0 - 1e-9));
        prop_assert!(needed == 1 || f64::from(needed - 1) * each < f64::from(wanted) * (1.0 + 1e-9));
    }
}
