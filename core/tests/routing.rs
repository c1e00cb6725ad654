//! Which carrier a message gets: the score against its formula, groups, ties, room, prices, trials, and
//! that what is explained is what was done.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

use std::time::Duration;

use postrider_core::clock::UnixMs;
use postrider_core::number::Msisdn;
use postrider_core::numbering::Tables;
use postrider_core::operators::{Ported, PortedAnswer, Resolver};
use postrider_core::route::{
    Ask, Barred, Candidate, CarrierIx, Decision, Explanation, Facts, Figures, Load, Market,
    RequireLookup, Route, RouteConfig, RoutePrefix, RouteTable, RouteTarget, RoutingConfig,
    Setting, Standing, Why, decide, draw,
};
use postrider_core::text::Encoding;
use proptest::prelude::*;
use std::sync::Arc;

const HALF_LIFE: Duration = Duration::from_secs(300);
const PLENTY: Duration = Duration::from_secs(60);

fn table_of(routes: &[RouteConfig]) -> RouteTable {
    RouteTable::new(routes, Tables::builtin())
}

fn number() -> Msisdn {
    Msisdn::parse_strict("447700900123").unwrap()
}

fn market() -> Market {
    Market::of(&Resolver::default().resolve(number(), UnixMs(0)))
}

fn candidate(carrier: u16, priority: u8, cost: u64) -> Candidate {
    Candidate { carrier: CarrierIx(carrier), priority, cost, weight: 1 }
}

fn table(carriers: &[Candidate], tolerance: Option<u32>) -> RouteTable {
    table_of(&[RouteConfig {
        require_lookup: RequireLookup::No,
        target: RouteTarget::Prefix(RoutePrefix::parse("").unwrap()),
        min_confidence: 0,
        priced: true,
        tolerance,
        carriers: carriers.to_vec(),
    }])
}

fn only(table: &RouteTable) -> &Route {
    table.find(number(), &Resolver::default().resolve(number(), UnixMs(0))).unwrap()
}

/// Rules under which nothing is tried that is not the best.
fn strict() -> RoutingConfig {
    RoutingConfig { explore: 0, ..RoutingConfig::default() }
}

struct World {
    table: RouteTable,
    figures: Figures,
    rules: RoutingConfig,
    facts: Vec<Facts>,
    now: Duration,
}

impl World {
    fn new(carriers: &[Candidate], tolerance: Option<u32>) -> World {
        World {
            table: table(carriers, tolerance),
            figures: Figures::new(HALF_LIFE),
            rules: strict(),
            facts: vec![Facts::IDLE; carriers.len()],
            now: PLENTY,
        }
    }

    fn decide(&self, sequence: u64) -> Decision {
        let ask = Ask {
            route: only(&self.table),
            market: market(),
            now: self.now,
            draw: draw(sequence),
            figures: &self.figures,
            rules: &self.rules,
        };
        decide(&ask, |carrier| self.facts[usize::from(carrier.0)])
    }

    fn chosen(&self, sequence: u64) -> u16 {
        self.decide(sequence).carrier.unwrap().0
    }

    /// How many of so many messages each carrier gets.
    fn shares(&self, messages: u64) -> Vec<u64> {
        let mut shares = vec![0; self.facts.len()];
        for sequence in 0..messages {
            shares[usize::from(self.chosen(sequence))] += 1;
        }
        shares
    }

    fn deliver(&mut self, carrier: u16, parts: u32, took_ms: u64) {
        for _ in 0..parts {
            let took = Some(Duration::from_millis(took_ms));
            self.figures.delivered(self.now, CarrierIx(carrier), market(), took);
        }
    }

    fn fail(&mut self, carrier: u16, parts: u32) {
        for _ in 0..parts {
            self.figures.failed(self.now, CarrierIx(carrier), market());
        }
    }

    fn standing(&self, sequence: u64, carrier: u16) -> Standing {
        let decision = self.decide(sequence);
        let own = decision.candidates.iter().find(|own| own.candidate.carrier.0 == carrier);
        own.unwrap().standing
    }
}

#[test]
fn a_score_is_its_formula() {
    let mut world = World::new(&[candidate(0, 1, 6_450), candidate(1, 1, 8_000)], Some(0));
    world.deliver(0, 400, 2_000);
    world.fail(0, 100);
    world.deliver(1, 500, 1_000);
    world.facts[0].load = Load { used: 25, limit: 100 };
    let decision = world.decide(1);
    let [a, b] = [decision.candidates[0], decision.candidates[1]];
    // 8 parts that nobody sent count as delivered.
    assert!(a.reading.delivered.abs_diff(408 * 1_000_000 / 508) < 2_000, "{a:?}");
    assert_eq!((b.reading.delivered, b.terms.cost), (1_000_000, 806_250));
    assert_eq!((a.terms.cost, a.terms.latency, a.terms.load), (1_000_000, 500_000, 750_000));
    assert_eq!((b.terms.latency, b.terms.load), (1_000_000, 1_000_000));
    for own in [a, b] {
        let terms = own.terms;
        let parts =
            [(terms.cost, 0.4), (terms.delivery, 0.3), (terms.latency, 0.2), (terms.load, 0.1)];
        let sum: f64 = parts.iter().map(|(term, weight)| f64::from(*term) * weight).sum();
        assert!((f64::from(own.score) - sum).abs() <= 1.0, "{own:?} {sum}");
    }
    assert_eq!(b.standing, Standing::Chosen(Why::Best));
    assert_eq!(a.standing, Standing::LowerScore);
}

#[test]
fn suspect_receipts_count_for_nothing() {
    let mut world = World::new(&[candidate(0, 1, 500), candidate(1, 1, 1_000)], Some(0));
    world.deliver(0, 500, 1);
    world.deliver(1, 400, 2_000);
    world.fail(1, 100);
    world.rules.explore = 2;
    let mut before = world.shares(10_000);
    assert_eq!(before.remove(0), 10_000, "cheap, quick and always there");
    world.facts[0].suspect = true;
    let decision = world.decide(1);
    let [a, b] = [decision.candidates[0].terms, decision.candidates[1].terms];
    assert_eq!((a.delivery, a.latency), (0, 0));
    assert_eq!(b.latency, 1_000_000, "nobody is measured by its times");
    let shares = world.shares(10_000);
    assert!((100..300).contains(&shares[0]), "{shares:?}: trials show whether it has changed");
    world.facts[1].suspect = true;
    assert_eq!(world.chosen(2), 0, "by price alone");
}

#[test]
fn prices_of_nothing_divide_by_nothing() {
    let world = World::new(&[candidate(0, 1, 0), candidate(1, 1, 5)], Some(0));
    let decision = world.decide(7);
    let cost = |at: usize| decision.candidates[at].terms.cost;
    assert_eq!((cost(0), cost(1)), (1_000_000, 0));
    assert_eq!(decision.carrier, Some(CarrierIx(0)));
}

#[test]
fn a_later_group_waits_for_the_one_before() {
    let mut world = World::new(&[candidate(0, 2, 1), candidate(1, 1, 900)], Some(0));
    assert_eq!(world.chosen(1), 1, "whatever it costs");
    assert_eq!(world.standing(1, 0), Standing::LowerPriority);
    world.facts[1].usable = false;
    assert_eq!(world.chosen(1), 0);
    assert_eq!(world.standing(1, 1), Standing::Down);
    world.facts[0].usable = false;
    assert_eq!(world.chosen(1), 1, "none is usable: it waits for the best");
    assert_eq!(world.standing(1, 1), Standing::Chosen(Why::AllDown));
    world.facts[1].barred = Some(Barred::Refused);
    assert_eq!(world.chosen(1), 0);
    world.facts[0].barred = Some(Barred::Unfit);
    let decision = world.decide(1);
    assert_eq!(decision.carrier, None);
    assert_eq!(decision.candidates[0].standing, Standing::Barred(Barred::Refused));
    assert_eq!(decision.candidates[1].standing, Standing::Barred(Barred::Unfit));
}

#[test]
fn ties_share_by_weight() {
    let weighted = |carrier, weight| Candidate { weight, ..candidate(carrier, 1, 1_000) };
    let mut world = World::new(&[weighted(0, 3), weighted(1, 1), candidate(2, 1, 1_400)], None);
    let shares = world.shares(20_000);
    assert!(shares[0].abs_diff(15_000) < 300 && shares[1].abs_diff(5_000) < 300, "{shares:?}");
    assert_eq!(shares[2], 0);
    // Within a hundredth is near enough; more is not.
    world.facts[1].load = Load { used: 9, limit: 100 };
    assert!(world.shares(20_000)[1].abs_diff(5_000) < 300);
    world.facts[1].load = Load { used: 11, limit: 100 };
    assert_eq!(world.shares(1_000), [1_000, 0, 0]);
    // Of those that tie, one without room leaves all to the others.
    world.facts[1].load = Load::default();
    world.facts[0].room = false;
    assert_eq!(world.shares(1_000), [0, 1_000, 0]);
    assert_eq!(world.standing(1, 0), Standing::NoRoom);
}

#[test]
fn what_has_no_room_goes_where_it_is_not_too_dear_and_returns() {
    let carriers = [candidate(0, 1, 1_000), candidate(1, 2, 1_300), candidate(2, 3, 1_200)];
    let mut world = World::new(&carriers, Some(20));
    world.facts[0].room = false;
    assert_eq!(world.chosen(1), 2, "a fifth dearer, not a third");
    assert_eq!(world.standing(1, 2), Standing::Chosen(Why::Overflow));
    assert_eq!(world.standing(1, 1), Standing::TooDear);
    assert_eq!(world.standing(1, 0), Standing::NoRoom);
    world.facts[2].room = false;
    assert_eq!(world.chosen(1), 0, "nobody has room: it waits");
    world.facts[2].room = true;
    world.facts[2].usable = false;
    assert_eq!(world.chosen(1), 0);
    world.facts[0].room = true;
    assert_eq!(world.chosen(1), 0, "and returns");
    let mut patient = World::new(&carriers, None);
    patient.facts[0].room = false;
    assert_eq!(patient.chosen(1), 0);
}

#[test]
fn a_recovered_carrier_is_found_again() {
    // Only trials can find it: half-lives take longer.
    let mut world = World::new(&[candidate(0, 1, 1_000), candidate(1, 1, 1_050)], Some(0));
    world.rules.explore = 2;
    world.figures = Figures::new(Duration::from_secs(24 * 3_600));
    let mut sequence = 0;
    let mut share = |world: &mut World, delivers: bool| {
        let mut first = 0;
        // A minute of 100 messages a second.
        for _ in 0..6_000 {
            world.now += Duration::from_millis(10);
            sequence += 1;
            match world.chosen(sequence) {
                0 => {
                    first += 1;
                    if delivers { world.deliver(0, 1, 2_000) } else { world.fail(0, 1) }
                }
                _ => world.deliver(1, 1, 2_000),
            }
        }
        first
    };
    assert!(share(&mut world, true) > 5_800, "the cheaper one has nearly all");
    let in_outage = share(&mut world, false);
    assert!((60..400).contains(&in_outage), "trials only, after the first: {in_outage}");
    let minutes = (1..=10).find(|_| share(&mut world, true) > 5_000);
    assert!(minutes.is_some_and(|minutes| minutes <= 6), "found again after {minutes:?} minutes");
}

#[test]
fn what_can_not_win_gets_no_trial() {
    let mut world = World::new(&[candidate(0, 1, 1_000), candidate(1, 1, 2_000)], Some(0));
    world.rules.explore = 20;
    assert_eq!(world.shares(2_000), [2_000, 0], "no news could make good for the price");
    let mut world = World::new(&[candidate(0, 1, 1_000), candidate(1, 1, 1_000)], Some(0));
    world.rules.explore = 20;
    world.fail(1, 100);
    let shares = world.shares(10_000);
    assert!(shares[1].abs_diff(2_000) < 200, "{shares:?}");
    let trial = (0..).find(|sequence| world.chosen(*sequence) == 1).unwrap();
    assert_eq!(world.standing(trial, 1), Standing::Chosen(Why::Trial));
    assert_eq!(world.standing(trial, 0), Standing::GaveWay);
}

#[test]
fn another_half_life_keeps_the_news() {
    let (mut figures, carrier) = (Figures::new(HALF_LIFE), CarrierIx(0));
    let parts = |figures: &Figures, at| figures.read(at, carrier, market()).parts;
    for _ in 0..400 {
        figures.delivered(PLENTY, carrier, market(), None);
    }
    let later = PLENTY + HALF_LIFE;
    figures.set_half_life(later, 4 * HALF_LIFE);
    assert_eq!(parts(&figures, later), 200, "what faded by the old one");
    assert_eq!(parts(&figures, later + 4 * HALF_LIFE), 100, "and fades by the new one");
    figures.set_half_life(later, HALF_LIFE / 4);
    assert_eq!(parts(&figures, later), 200);
    assert_eq!(parts(&figures, later + HALF_LIFE / 2), 50);
}

#[test]
fn news_fade() {
    let mut figures = Figures::new(HALF_LIFE);
    let carrier = CarrierIx(0);
    let read = |figures: &Figures, seconds| {
        figures.read(PLENTY + Duration::from_secs(seconds), carrier, market())
    };
    assert_eq!(read(&figures, 0).delivered, 1_000_000, "nothing is known");
    for _ in 0..100 {
        figures.failed(PLENTY, carrier, market());
        figures.delivered(PLENTY, carrier, market(), Some(Duration::from_millis(500)));
    }
    let fresh = read(&figures, 0);
    assert_eq!((fresh.parts, fresh.latency), (200, Some(500)));
    assert_eq!(fresh.delivered, 108 * 1_000_000 / 208);
    let later = read(&figures, 300);
    assert!(later.parts.abs_diff(100) <= 1, "{later:?}");
    assert_eq!(later.latency, Some(500), "the time stays the same");
    let old = read(&figures, 7_200);
    assert_eq!((old.parts, old.latency), (0, None));
    assert!(old.delivered > 990_000);
    // Another operator's numbers say nothing.
    let resolver = Resolver::default();
    let other = resolver.resolve(Msisdn::parse_strict("33612345678").unwrap(), UnixMs(0));
    assert_eq!(figures.read(PLENTY, carrier, Market::of(&other)).parts, 0);
    // Half of the news is the last 512 parts.
    for _ in 0..5_000 {
        figures.failed(PLENTY, carrier, market());
    }
    assert!(read(&figures, 0).delivered < 20_000);
    assert_eq!(read(&figures, 0).parts, 512);
    for _ in 0..1_536 {
        figures.delivered(PLENTY, carrier, market(), None);
    }
    assert!(read(&figures, 0).delivered > 940_000);
}

#[derive(Debug)]
struct AlwaysPorted;

impl Ported for AlwaysPorted {
    fn find(&self, _: Msisdn, _: UnixMs) -> PortedAnswer {
        PortedAnswer::Ported { operator: "234-15".parse().ok(), as_of: UnixMs(1), fresh: true }
    }
}

#[test]
fn a_route_for_an_operator_wants_to_be_sure() {
    let route = |target, carrier, min_confidence| RouteConfig {
        require_lookup: RequireLookup::No,
        target,
        min_confidence,
        priced: false,
        tolerance: None,
        carriers: vec![candidate(carrier, 1, 0)],
    };
    let operator = |code: &str| RouteTarget::Operator(code.parse().unwrap());
    let long = RouteTarget::Prefix(RoutePrefix::parse("4477009001").unwrap());
    let first = |table: &RouteTable, resolver: &Resolver| {
        let known = resolver.resolve(number(), UnixMs(0));
        table.find(number(), &known).map(|route| route.candidates()[0].carrier.0)
    };
    let (ported, none) =
        (Resolver::default().with_ported(Arc::new(AlwaysPorted)), Resolver::default());
    let sure = table_of(&[
        route(long, 0, 0),
        route(operator("234-15"), 1, 980),
        route(operator("234-10"), 2, 0),
    ]);
    assert_eq!(first(&sure, &ported), Some(1), "it comes before the longest prefix");
    assert_eq!(first(&sure, &none), Some(0));
    let surer = table_of(&[route(long, 0, 0), route(operator("234-15"), 1, 981)]);
    assert_eq!(first(&surer, &ported), Some(0));
    assert_eq!(first(&table_of(&[route(operator("234-10"), 2, 0)]), &ported), None);
}

#[test]
fn the_explanation_names_everything() {
    let mut world = World::new(&[candidate(0, 1, 6_450), candidate(1, 2, 7_100)], Some(20));
    world.deliver(0, 10, 1_500);
    world.facts[0] = Facts { room: false, load: Load { used: 100, limit: 100 }, ..Facts::IDLE };
    let resolver = Resolver::default();
    let known = resolver.resolve(number(), UnixMs(0));
    let setting = Setting {
        known: &known,
        route: only(&world.table),
        promised: (Encoding::Gsm7, 2),
        sender_rate: Some(3),
        currency: Some("EUR"),
    };
    let names = ["alpha", "beta"];
    let told =
        Explanation::new(&world.decide(1), &setting, |carrier| names[usize::from(carrier.0)]);
    assert_eq!(told.carrier.as_deref(), Some("beta"));
    assert_eq!(told.cost_micros, Some(14_200));
    let text = told.to_string();
    for expected in [
        "country GB, operator unknown",
        "gsm7: 2 parts, 0.014200 EUR",
        "route default: beta",
        "* beta ",
        "a better carrier has no room now; 0.007100 a part",
        "it has no room now; 0.006450 a part; of 10 parts 1.000 delivered after 1500 ms",
        "100 of 100 parts a second used",
        "load 0.000",
    ] {
        assert!(text.contains(expected), "{expected}\n{text}");
    }
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let barred = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Barred::Refused)),
        1 => Just(Some(Barred::Unfit)),
    ];
    (barred, any::<[bool; 3]>(), 0u32..200, 0u32..150).prop_map(
        |(barred, [usable, room, suspect], used, limit)| Facts {
            barred,
            usable,
            room,
            load: Load { used, limit },
            suspect,
        },
    )
}

type Drawn = (u8, u64, u16, Facts, u32, u32, u64);

fn any_carrier() -> impl Strategy<Value = Drawn> {
    (1u8..4, 0u64..2_000, 1u16..5, any_facts(), 0u32..30, 0u32..30, 0u64..5_000)
}

proptest! {
    /// What is told as chosen is what is done; the rules hold whatever is true of the carriers.
    #[test]
    fn what_is_explained_is_what_is_done(
        drawn in prop::collection::vec(any_carrier(), 1..10),
        tolerance in prop::option::of(0u32..60),
        explore in 0u8..=20,
        sequence in any::<u64>(),
    ) {
        let carriers: Vec<Candidate> = drawn.iter().zip(0u16..).map(|((priority, cost, weight, ..), at)| {
            Candidate { carrier: CarrierIx(at), priority: *priority, cost: *cost, weight: *weight }
        }).collect();
        let mut world = World::new(&carriers, tolerance);
        world.rules.explore = explore;
        for (at, (.., facts, good, bad, took)) in drawn.iter().enumerate() {
            world.facts[at] = *facts;
            world.deliver(at as u16, *good, *took);
            world.fail(at as u16, *bad);
        }
        let decision = world.decide(sequence);
        prop_assert_eq!(&decision, &world.decide(sequence), "the same question, the same answer");
        prop_assert_eq!(decision.candidates.len(), carriers.len());

        let resolver = Resolver::default();
        let known = resolver.resolve(number(), UnixMs(0));
        let setting = Setting {
            known: &known,
            route: only(&world.table),
            promised: (Encoding::Gsm7, 3),
            sender_rate: None,
            currency: None,
        };
        let names: Vec<String> = (0..carriers.len()).map(|at| format!("c{at}")).collect();
        let told = Explanation::new(&decision, &setting, |own| &names[usize::from(own.0)]);
        let name = decision.carrier.map(|own| names[usize::from(own.0)].clone());
        prop_assert_eq!(&told.carrier, &name);
        prop_assert_eq!(told.candidates.iter().filter(|own| own.is_chosen()).count(),
            usize::from(name.is_some()));

        let fit: Vec<_> = decision.candidates.iter().filter(|own| own.facts.barred.is_none()).collect();
        let Some(chosen) = decision.carrier else {
            prop_assert!(fit.is_empty());
            return Ok(());
        };
        let own = decision.candidates.iter().find(|own| own.candidate.carrier == chosen).unwrap();
        prop_assert!(own.facts.barred.is_none());
        let usable: Vec<_> = fit.iter().copied().filter(|own| own.facts.usable).collect();
        prop_assert!(own.facts.usable || usable.is_empty());
        let field = if usable.is_empty() { &fit } else { &usable };
        let first = field.iter().map(|own| own.candidate.priority).min().unwrap();
        let group: Vec<_> = field.iter().filter(|own| own.candidate.priority == first).collect();
        let best = group.iter().map(|own| own.score).max().unwrap();
        match own.standing {
            Standing::Chosen(Why::Best | Why::Tie | Why::AllDown) => {
                prop_assert_eq!(own.candidate.priority, first);
                prop_assert!(own.score + world.rules.near_tie >= best);
            }
            Standing::Chosen(Why::Trial) => {
                prop_assert!(explore > 0 && own.facts.room);
                prop_assert_eq!(own.candidate.priority, first);
            }
            Standing::Chosen(Why::Overflow) => {
                prop_assert!(own.facts.room);
                let left: Vec<_> = group.iter()
                    .filter(|one| one.score + world.rules.near_tie >= best).collect();
                prop_assert!(left.iter().all(|one| !one.facts.room));
                let dearest = left.iter().map(|one| one.candidate.cost).max().unwrap();
                let bound = dearest * u64::from(100 + tolerance.unwrap()) / 100;
                prop_assert!(own.candidate.cost <= bound);
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }
}
