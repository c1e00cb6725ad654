//! The machine that asks a provider of look-ups, under a virtual clock, and what its answers come to.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::path::Path;
use std::time::Duration;

use postrider_core::clock::{Now, UnixMs};
use postrider_core::config::{Config, Plan};
use postrider_core::limits;
use postrider_core::lookup::{
    Asked, Finding, Invalid, Live, Missed, Outcome, Provider, ProviderAnswer, Rules, Subscriber,
    Waiter,
};
use postrider_core::number::Msisdn;
use postrider_core::operators::{Override, Resolver, Source};

const RULES: Rules = Rules {
    timeout: Duration::from_secs(2),
    concurrency: 2,
    cache: 3,
    keep: Duration::from_secs(3_600),
};

struct Bench {
    provider: Provider,
    now: Duration,
    next: u64,
}

fn number(last: u64) -> Msisdn {
    Msisdn::from_u64(447_400_000_000 + last).unwrap()
}

fn answer(subscriber: Subscriber) -> ProviderAnswer {
    let operator = Some("234-30".parse().unwrap());
    ProviderAnswer { subscriber, operator, carrier: Some("EE".into()), ported: Some(true) }
}

impl Bench {
    fn new(rules: Rules) -> Bench {
        let mut bench = Bench { provider: Provider::default(), now: Duration::ZERO, next: 0 };
        bench.provider.set_rules(bench.at(), Some(rules), false);
        bench
    }

    fn at(&self) -> Now {
        Now { mono: self.now, wall: UnixMs(1_000).after(self.now) }
    }

    /// The job of the look-up.
    fn look_up(&mut self, last: u64) -> u64 {
        self.look_up_within(last, None)
    }

    fn look_up_within(&mut self, last: u64, patience: Option<Duration>) -> u64 {
        let job = self.next;
        self.next += 1;
        let waiter = Waiter { job, place: 0 };
        let now = self.at();
        self.provider.handle_look_up(now, number(last), waiter, patience);
        job
    }

    fn asked(&mut self) -> Vec<Asked> {
        std::iter::from_fn(|| self.provider.poll_asked()).collect()
    }

    fn answer(&mut self, asked: Asked, subscriber: Option<Subscriber>) {
        let now = self.at();
        self.provider.handle_answer(now, asked, subscriber.map(answer));
    }

    /// Job and word of what came of each look-up.
    fn told(&mut self) -> Vec<(u64, &'static str)> {
        let outcomes = std::iter::from_fn(|| self.provider.poll_outcome());
        outcomes.map(|(waiter, outcome)| (waiter.job, word(&outcome))).collect()
    }

    /// Every timer at its moment.
    fn pass(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(due) = self.provider.poll_timeout().filter(|due| *due <= until) {
            self.now = due;
            let now = self.at();
            self.provider.handle_timeout(now);
        }
        self.now = until;
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Found { fresh: true, .. } => "answered",
        Outcome::Found { fresh: false, .. } => "cached",
        Outcome::Missed(why) => Live::Missed(*why).word(),
    }
}

#[test]
fn what_was_said_counts_again_until_it_is_too_old() {
    let mut bench = Bench::new(RULES);
    for (subscriber, seconds) in [
        (Subscriber::Active, 3_600),
        (Subscriber::Inactive, 3_600),
        (Subscriber::Invalid, 3_600),
        (Subscriber::Absent, 900),
        (Subscriber::Unknown, 60),
    ] {
        bench.provider.forget();
        let first = bench.look_up(1);
        let asked = bench.asked();
        assert_eq!(asked.len(), 1);
        bench.answer(asked[0], Some(subscriber));
        assert_eq!(bench.told(), [(first, "answered")]);
        bench.pass(seconds - 1);
        let again = bench.look_up(1);
        assert_eq!((bench.told(), bench.asked()), (vec![(again, "cached")], vec![]));
        bench.pass(1);
        bench.look_up(1);
        let asked = bench.asked();
        assert_eq!(asked.len(), 1, "{subscriber:?}");
        bench.answer(asked[0], Some(subscriber));
        assert_eq!(bench.told().len(), 1);
    }
}

#[test]
fn one_query_serves_all_who_ask_for_a_number_meanwhile() {
    let mut bench = Bench::new(RULES);
    let [first, second] = [bench.look_up(1), bench.look_up(1)];
    let asked = bench.asked();
    assert_eq!(asked.len(), 1);
    bench.answer(asked[0], Some(Subscriber::Active));
    assert_eq!(bench.told(), [(first, "answered"), (second, "cached")], "paid for once");
}

#[test]
fn never_more_queries_are_under_way_than_may_be() {
    let mut bench = Bench::new(RULES);
    let jobs: Vec<u64> = (0..5).map(|last| bench.look_up(last)).collect();
    let mut open = bench.asked();
    assert_eq!(open.len(), 2);
    // Those that took too long are under way until they come back.
    bench.pass(3);
    assert_eq!(bench.told(), [(jobs[0], "timeout"), (jobs[1], "timeout")]);
    assert_eq!(bench.asked(), []);
    bench.answer(open.remove(0), None);
    let third = bench.asked();
    assert_eq!(third.iter().map(|asked| asked.number).collect::<Vec<_>>(), [number(2)]);
    // A late answer is kept for the next who asks.
    bench.answer(open.remove(0), Some(Subscriber::Active));
    assert_eq!(bench.told(), []);
    let late = bench.look_up(1);
    assert_eq!(bench.told(), [(late, "cached")]);
    assert_eq!(bench.asked().len(), 1);
}

#[test]
fn who_waits_too_long_for_a_turn_is_told_so() {
    let mut bench = Bench::new(Rules { concurrency: 1, timeout: Duration::from_secs(30), ..RULES });
    let [first, second] = [bench.look_up(1), bench.look_up(2)];
    let asked = bench.asked();
    bench.pass(limits::LOOKUP_TURN.as_secs());
    assert_eq!(bench.told(), [(second, "busy")]);
    bench.answer(asked[0], Some(Subscriber::Active));
    assert_eq!((bench.told(), bench.asked()), (vec![(first, "answered")], vec![]));
    assert!(bench.provider.is_idle());
}

#[test]
fn who_has_little_patience_waits_no_longer_and_its_query_goes_on() {
    let mut bench = Bench::new(Rules { concurrency: 1, timeout: Duration::from_secs(30), ..RULES });
    let second = Some(Duration::from_secs(1));
    let [first, hasty] = [bench.look_up(1), bench.look_up_within(1, second)];
    let waits = bench.look_up_within(2, second);
    let asked = bench.asked();
    bench.pass(1);
    assert_eq!(bench.told(), [(hasty, "timeout"), (waits, "busy")]);
    bench.answer(asked[0], Some(Subscriber::Active));
    assert_eq!(bench.told(), [(first, "answered")]);
    let asked = bench.asked();
    assert_eq!(asked[0].number, number(2), "for the next who asks");
    bench.answer(asked[0], Some(Subscriber::Active));
    assert!(bench.provider.is_idle() && bench.provider.poll_timeout().is_none());
    let quick = bench.look_up_within(3, second);
    let asked = bench.asked();
    bench.answer(asked[0], Some(Subscriber::Active));
    bench.pass(5);
    assert_eq!(bench.told(), [(quick, "answered")]);
}

#[test]
fn waiting_look_ups_are_bounded() {
    let mut bench = Bench::new(RULES);
    for _ in 0..limits::LOOKUPS_WAITING {
        bench.look_up(1);
    }
    let more = bench.look_up(2);
    assert_eq!(bench.told(), [(more, "busy")]);
    let asked = bench.asked();
    bench.answer(asked[0], Some(Subscriber::Active));
    assert_eq!(bench.told().len(), limits::LOOKUPS_WAITING);
    assert!(bench.provider.is_idle());
}

#[test]
fn a_provider_that_fails_is_left_alone_and_tried_again() {
    let mut bench = Bench::new(Rules { concurrency: 100, ..RULES });
    for last in 0..5 {
        bench.look_up(last);
    }
    for asked in bench.asked() {
        bench.answer(asked, None);
    }
    assert!(bench.told().iter().all(|(_, word)| *word == "failed"));
    assert!(bench.provider.is_suspended(bench.now));
    let refused = bench.look_up(6);
    assert_eq!((bench.told(), bench.asked()), (vec![(refused, "suspended")], vec![]));
    bench.pass(30);
    let [trial, other] = [bench.look_up(7), bench.look_up(8)];
    assert_eq!(bench.told(), [(other, "suspended")], "one trial is enough");
    let asked = bench.asked();
    assert_eq!(asked.len(), 1);
    bench.pass(2);
    assert_eq!(bench.told(), [(trial, "timeout")]);
    bench.answer(asked[0], None);
    bench.pass(29);
    let early = bench.look_up(9);
    assert_eq!(bench.told(), [(early, "suspended")]);
    bench.pass(1);
    let trial = bench.look_up(9);
    let asked = bench.asked();
    bench.answer(asked[0], Some(Subscriber::Active));
    assert_eq!(bench.told(), [(trial, "answered")]);
    assert!(!bench.provider.is_suspended(bench.now));
}

#[test]
fn the_oldest_answers_go_when_there_are_too_many() {
    let mut bench = Bench::new(RULES);
    for last in [1, 2, 3, 4] {
        bench.look_up(last);
        let asked = bench.asked();
        bench.answer(asked[0], Some(Subscriber::Active));
    }
    assert_eq!(bench.provider.cached(), 3);
    bench.told();
    for last in [2, 3, 4] {
        let job = bench.look_up(last);
        assert_eq!(bench.told(), [(job, "cached")], "{last}");
    }
    bench.look_up(1);
    assert_eq!(bench.asked().len(), 1);
}

#[test]
fn another_provider_is_asked_anew_and_without_one_nobody_waits() {
    let mut bench = Bench::new(RULES);
    bench.look_up(1);
    let asked = bench.asked();
    bench.answer(asked[0], Some(Subscriber::Active));
    let waits = bench.look_up(2);
    let before = bench.asked();
    bench.told();
    let now = bench.at();
    bench.provider.set_rules(now, Some(RULES), false);
    assert_eq!(bench.told(), [(waits, "off")]);
    bench.look_up(1);
    assert_eq!(bench.asked().len(), 1, "what the other one said is forgotten");
    bench.answer(before[0], Some(Subscriber::Active));
    bench.look_up(2);
    assert_eq!(bench.asked().len(), 1, "what it says late too");
    bench.provider.set_rules(now, None, false);
    assert_eq!(bench.told().len(), 2);
    let off = bench.look_up(3);
    assert_eq!(bench.told(), [(off, "off")]);
    assert_eq!(bench.provider.poll_timeout(), None);
}

fn found(resolver: &Resolver, number: Msisdn, answer: ProviderAnswer, fresh: bool) -> Finding {
    let outcome = Outcome::Found { answer, at: UnixMs(7), fresh };
    Finding::of_provider(resolver, number, UnixMs(9), (&outcome, 4_000))
}

#[test]
fn a_provider_stands_over_tables_and_the_configuration_over_both() {
    let held = Msisdn::parse_strict("447717000000").unwrap();
    let resolver = Resolver::default();
    let tables = Finding::of_tables(&resolver, held, UnixMs(9));
    assert_eq!((tables.source, tables.confidence, tables.reachable), (Source::Range, 600, None));
    assert_eq!((tables.live, tables.cost_micros, tables.invalid), (None, 0, None));
    let live = found(&resolver, held, answer(Subscriber::Active), true);
    assert_eq!(live.operator.unwrap().to_string(), "234-30");
    assert_eq!((live.source, live.confidence), (Source::Provider, 990));
    assert_eq!((live.ported, live.reachable), (Some(true), Some(true)));
    assert_eq!((live.as_of, live.cost_micros), (Some(UnixMs(7)), 4_000));
    assert_eq!((live.kind, live.region), (tables.kind, tables.region));
    assert_eq!(found(&resolver, held, answer(Subscriber::Active), false).cost_micros, 0);
    // What it does not say, the tables say.
    let silent = ProviderAnswer {
        subscriber: Subscriber::Unknown,
        operator: None,
        carrier: None,
        ported: None,
    };
    let known = found(&resolver, held, silent, true);
    assert_eq!((known.operator, known.source), (tables.operator, Source::Range));
    assert_eq!((known.reachable, known.ported, known.invalid), (None, None, None));
    let own = Override::new("44771700", "234-50".parse().unwrap()).unwrap();
    let decreed = Resolver::default().with_overrides(&[own]);
    let known = found(&decreed, held, answer(Subscriber::Absent), true);
    assert_eq!(known.operator.unwrap().to_string(), "234-50");
    assert_eq!((known.source, known.reachable), (Source::Override, Some(false)));
}

#[test]
fn who_has_no_subscriber_is_not_valid() {
    let resolver = Resolver::default();
    let held = Msisdn::parse_strict("447717000000").unwrap();
    for (subscriber, invalid) in
        [(Subscriber::Inactive, Invalid::Inactive), (Subscriber::Invalid, Invalid::Unknown)]
    {
        let known = found(&resolver, held, answer(subscriber), true);
        assert_eq!((known.invalid, known.reachable), (Some(invalid), Some(false)));
    }
    // No numbering plan has it, and the provider says that somebody does.
    let unplanned = Msisdn::parse_strict("4470000000").unwrap();
    let tables = Finding::of_tables(&resolver, unplanned, UnixMs(9));
    assert_eq!(tables.invalid, Some(Invalid::NotInPlan));
    assert_eq!(found(&resolver, unplanned, answer(Subscriber::Active), true).invalid, None);
    let outcome = Outcome::Missed(Missed::Timeout);
    let missed = Finding::of_provider(&resolver, unplanned, UnixMs(9), (&outcome, 4_000));
    assert_eq!((missed.invalid, missed.cost_micros), (Some(Invalid::NotInPlan), 0));
    assert_eq!(missed.live.map(Live::word), Some("timeout"));
}

#[test]
fn the_section_is_checked_with_every_problem() {
    let errors = |text: &str| Config::parse(text).unwrap_err().to_string();
    let plain = Config::parse("[lookups]\nurl = \"https://h/{number}\"").unwrap().lookups.unwrap();
    assert_eq!(plain.url_for(number(1)), "https://h/447400000001");
    assert_eq!((plain.timeout, plain.concurrency), (Duration::from_secs(2), 32));
    assert_eq!((plain.cache, plain.keep), (100_000, Duration::from_hours(24)));
    assert_eq!((plain.rules(8).concurrency, plain.rules(64).concurrency), (4, 1));
    for url in [
        "",
        "ftp://h/{number}",
        "https://h",
        "https://h/x",
        "https://{number}/",
        "https:///{number}",
        "https://h/{number}/{number}",
        "https://u:p@h/{number}",
        "https://h/{number} ",
        "https://h/{number}#a",
    ] {
        let shown = errors(&format!("[lookups]\nurl = \"{url}\""));
        assert!(shown.contains("lookups.url") && shown.contains("{number}"), "{url}: {shown}");
    }
    let all = errors(
        "[lookups]\nurl = \"http://h/{number}\"\nheader = \"a b\"\nsecret = \"s\"\n\
         secret_file = \"f\"\ntimeout_ms = 1\nconcurrency = 0\ncache_seconds = 0\n\
         cache_entries = -1\nprice_micros = -1\n[lookups.fields]\nmcc = \"mcc\"\n\
         [lookups.words]\nactive = [\"x\"]\nabsent = [\"x\"]\n",
    );
    for key in [
        "header",
        "secret",
        "timeout_ms",
        "concurrency",
        "cache_seconds",
        "cache_entries",
        "price_micros",
        "fields.mcc",
        "words.absent",
    ] {
        assert!(all.contains(&format!("lookups.{key}: ")), "{key}: {all}");
    }
    assert!(!errors("[lookups]\nurl = \"http://h/{number}\"\nsecret = \"töp\"").contains("töp"));
}

#[test]
fn the_secret_may_stand_in_a_file() {
    let text = "[lookups]\nurl = \"http://h/{number}\"\nsecret_file = \"s\"\n";
    let mut config = Config::parse(text).unwrap();
    config.resolve_files(Path::new("/etc/p"));
    let mut asked = Vec::new();
    config
        .load_secrets(&mut |path| {
            asked.push(path.to_owned());
            Ok(String::from("Bearer x\n"))
        })
        .unwrap();
    assert_eq!(asked, [Path::new("/etc/p/s")]);
    assert_eq!(config.lookups.as_ref().unwrap().secret.expose(), "Bearer x");
    assert!(!format!("{config:?}").contains("Bearer"));
    let empty = config.load_secrets(&mut |_| Ok(String::new())).unwrap_err();
    assert!(empty.to_string().contains("lookups.secret_file"), "{empty}");
    // Numbers leave the gateway: the plan says so, and counts the memory.
    let plan = Plan::new(&config, 2).unwrap();
    let (shown, json) = (plan.to_string(), plan.to_json());
    assert!(shown.contains("numbers are told to h, 32 at once"), "{shown}");
    assert!(json["lookups"].as_str().is_some());
    assert!(json["shards"][0]["memory_bytes"]["lookups"].as_u64() > Some(50_000 * 256));
}

#[test]
fn overrides_are_prefixes_or_ranges_with_a_name() {
    let head = "[[numbers.override]]\noperator = \"234-50\"\n";
    let config = format!(
        "{head}range = \"447717000995-447717002003\"\nname = \"Ours\"\n{head}prefix = \"4477170010\""
    );
    let resolver = Config::parse(&config).unwrap().resolver();
    let served = |last: u64| {
        let number = Msisdn::from_u64(447_717_000_000 + last).unwrap();
        let known = resolver.resolve(number, UnixMs(9));
        (known.source == Source::Override).then(|| known.name.map(str::to_owned))
    };
    for (last, expected) in [
        (994, None),
        (995, Some(Some("Ours"))),
        (999, Some(Some("Ours"))),
        (1_000, Some(None)),
        (1_099, Some(None)),
        (1_100, Some(Some("Ours"))),
        (2_003, Some(Some("Ours"))),
        (2_004, None),
    ] {
        let expected = expected.map(|name: Option<&str>| name.map(str::to_owned));
        let found = served(last);
        // The longer prefix has no name of its own: that of the tables stands.
        let same = if (1_000..1_100).contains(&last) { found.is_some() } else { found == expected };
        assert!(same, "{last}: {found:?}");
    }
    let errors = |text: &str| Config::parse(text).unwrap_err().to_string();
    for wrong in [
        "prefix = \"0\"",
        "prefix = \"\"",
        "range = \"447717000995\"",
        "range = \"447717000995-447717000994\"",
        "range = \"447717000995-4477170009999\"",
        "prefix = \"44\"\nrange = \"447717000995-447717000996\"",
        "",
    ] {
        let shown = errors(&format!("{head}{wrong}"));
        assert!(shown.contains("numbers.override[0]."), "{wrong}: {shown}");
    }
    let shown = errors("[[numbers.override]]\nprefix = \"44\"\noperator = \"Acme\"\nname = \"\"");
    assert!(
        shown.contains("override[0].operator") && shown.contains("override[0].name"),
        "{shown}"
    );
}
