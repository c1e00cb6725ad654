//! A number to its carrier: region and operator, route, and the decision with all its terms, over the
//! real table of regions, 1,000 routes and 200 carriers. No state but the tables.

use std::time::Duration;

use divan::{Bencher, black_box};
use postrider_core::clock::UnixMs;
use postrider_core::number::Msisdn;
use postrider_core::numbering::Tables;
use postrider_core::operators::Resolver;
use postrider_core::route::{
    Ask, Candidate, CarrierIx, Facts, Figures, Load, Market, RequireLookup, RouteConfig,
    RoutePrefix, RouteTable, RouteTarget, RoutingConfig, decide, draw,
};

const ROUTES: usize = 1_000;
const CARRIERS: u64 = 200;
const CARRIERS_PER_ROUTE: u64 = 5;
const NUMBERS: usize = 4_096;
const NOW: Duration = Duration::from_secs(1_000);

struct World {
    resolver: Resolver,
    routes: RouteTable,
    figures: Figures,
    rules: RoutingConfig,
    numbers: Vec<Msisdn>,
}

/// A value below `bound` that looks random.
fn below(seed: u64, bound: u64) -> u64 {
    draw(seed) % bound
}

/// Numbers over the whole plan: those that have a region.
fn numbers() -> Vec<Msisdn> {
    let any = (0u64..).filter_map(|seed| {
        Msisdn::from_u64(10_000_000_000 + below(seed, 990_000_000_000 - 10_000_000_000))
    });
    any.filter(|number| Tables::builtin().region_of(*number).is_some()).take(NUMBERS).collect()
}

/// Five carriers, in two groups, with prices.
fn carriers(route: u64) -> Vec<Candidate> {
    let first = below(route, CARRIERS);
    let candidates = (0..CARRIERS_PER_ROUTE).map(|place| Candidate {
        carrier: CarrierIx(u16::try_from((first + place * 37) % CARRIERS).unwrap()),
        priority: if place < 3 { 1 } else { 2 },
        cost: 5_000 + below(route + place, 3_000),
        weight: 1,
    });
    candidates.collect()
}

/// A route for each country, and prefixes of three to seven digits of the numbers themselves.
fn targets(numbers: &[Msisdn]) -> Vec<RouteTarget> {
    let mut regions: Vec<_> =
        numbers.iter().filter_map(|own| Tables::builtin().region_of(*own)).collect();
    regions.sort_unstable();
    regions.dedup();
    let mut prefixes: Vec<String> = Vec::new();
    for (number, length) in numbers.iter().zip((3..=7).cycle()) {
        prefixes.push(number.digits()[..length].to_owned());
    }
    prefixes.sort_unstable();
    prefixes.dedup();
    // Spread over the plan, not the first ones.
    let step = prefixes.len() / (ROUTES - regions.len());
    let countries = regions.into_iter().map(RouteTarget::Country);
    let prefixes = prefixes.iter().step_by(step.max(1));
    let prefixes = prefixes.map(|prefix| RouteTarget::Prefix(RoutePrefix::parse(prefix).unwrap()));
    countries.chain(prefixes).take(ROUTES).collect()
}

impl World {
    fn new() -> World {
        let numbers = numbers();
        let routes: Vec<RouteConfig> = (0u64..)
            .zip(targets(&numbers))
            .map(|(route, target)| RouteConfig {
                require_lookup: RequireLookup::No,
                target,
                min_confidence: 0,
                priced: true,
                tolerance: Some(20),
                carriers: carriers(route),
            })
            .collect();
        assert_eq!(routes.len(), ROUTES);
        let routes = RouteTable::new(&routes, Tables::builtin());
        let resolver = Resolver::default();
        let mut figures = Figures::new(Duration::from_secs(300));
        for (seed, number) in (0u64..).zip(&numbers) {
            let known = resolver.resolve(*number, UnixMs(0));
            let Some(route) = routes.find(*number, &known) else { continue };
            for candidate in route.candidates() {
                let took = Some(Duration::from_millis(below(seed, 5_000)));
                figures.delivered(NOW, candidate.carrier, Market::of(&known), took);
            }
        }
        World { resolver, routes, figures, rules: RoutingConfig::default(), numbers }
    }

    fn choose(&self, number: Msisdn, sequence: u64) -> Option<CarrierIx> {
        let known = self.resolver.resolve(number, UnixMs(0));
        let ask = Ask {
            route: self.routes.find(number, &known)?,
            market: Market::of(&known),
            now: NOW,
            draw: draw(sequence),
            figures: &self.figures,
            rules: &self.rules,
        };
        decide(&ask, |carrier| Facts {
            load: Load { used: u32::from(carrier.0), limit: 400 },
            ..Facts::IDLE
        })
        .carrier
    }
}

/// The whole way from a number to its carrier.
#[divan::bench(sample_size = 1_000)]
fn number_to_carrier(bencher: Bencher<'_, '_>) {
    let world = World::new();
    let mut messages = (0u64..).zip(world.numbers.iter().copied().cycle());
    bencher.bench_local(|| {
        let (sequence, number) = messages.next().unwrap();
        world.choose(black_box(number), sequence)
    });
}

/// Of that, region, operator and route.
#[divan::bench(sample_size = 1_000)]
fn number_to_route(bencher: Bencher<'_, '_>) {
    let world = World::new();
    let mut numbers = world.numbers.iter().copied().cycle();
    bencher.bench_local(|| {
        let number = black_box(numbers.next().unwrap());
        let known = world.resolver.resolve(number, UnixMs(0));
        world.routes.find(number, &known).map(|route| route.candidates().len())
    });
}
