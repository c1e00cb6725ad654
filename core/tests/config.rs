//! The configuration: the example, the defaults, and every problem with its place and remedy.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use postrider_core::clock::UnixMs;
use postrider_core::config::Concatenation;
use postrider_core::config::{
    BindType, Config, ConfigErrors, Driver, LogFormat, OnUnknownOutcome, Plan, RouteTarget,
};
use postrider_core::number::Msisdn;
use postrider_core::operators::Resolver;
use postrider_core::region::Region;
use postrider_core::route::{RouteTable, RoutingConfig};

const EXAMPLE: &str = include_str!("../data/example.toml");
const LOCAL: &str = include_str!("../../examples/local.toml");

#[test]
fn the_example_for_one_machine_is_valid_and_plannable() {
    let config = Config::parse(LOCAL).unwrap();
    for cores in 1..=16 {
        assert_eq!(Plan::new(&config, cores).unwrap().shard_count(), cores);
    }
}

const CUSTOMER: &str = r#"
[[customers]]
name = "acme"
api_keys = ["sha256:3f79bb7b435b05321651daefd374cdc681dc06faa65e374e38337b88ca046dea"]
webhook_secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"#;

const CARRIER: &str = r#"
[[carriers]]
name = "alpha"
address = "localhost:2775"
system_id = "me"
"#;

#[test]
fn the_example_is_read() {
    let config = Config::parse(EXAMPLE).unwrap();
    assert_eq!(config.server.data_dir, PathBuf::from("/var/lib/postrider"));
    assert_eq!((config.server.shards, config.server.driver), (2, Driver::Auto));
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.admin_listen.port(), 9090);
    assert_eq!(config.server.log_format, LogFormat::Text);
    assert!(config.server.pin && config.server.spin && config.store.direct);
    assert_eq!((config.store.segment_bytes, config.store.max_segments), (64 << 20, 64));
    assert_eq!((config.limits.open_messages, config.limits.hot_messages), (1_048_576, 100_000));
    assert_eq!(config.webhooks.timeout, Duration::from_secs(15));
    assert_eq!(config.customers[0].name, "acme");
    assert_eq!(config.customers[0].api_key_hashes[0][0], 0x3f);
    assert_eq!(config.customers[0].webhook_secret.expose().len(), 24);
    let [alpha, beta, gamma] = config.carriers.as_slice() else { panic!("three carriers") };
    assert_eq!(alpha.password_file.as_deref(), Some(Path::new("/etc/postrider/alpha.password")));
    assert_eq!((alpha.bind, alpha.version), (BindType::Transceiver, 0x34));
    assert_eq!(
        (alpha.receipt_retry_status, alpha.profile.concatenation),
        (0x14, Concatenation::Udh8)
    );
    assert_eq!(alpha.on_unknown_outcome, OnUnknownOutcome::Resubmit);
    assert_eq!((beta.binds, beta.window, beta.parts_per_second), (3, 20, 300));
    assert_eq!(beta.password.expose(), "secret08");
    assert_eq!(beta.address, "smpp.beta.example:3550");
    let tls = beta.profile.tls.as_ref().unwrap();
    assert_eq!(tls.server_name.as_deref(), Some("smpp.beta.example"));
    assert_eq!(gamma.profile.outbind.as_ref().unwrap().password.expose(), "secret11");
    assert_eq!(config.smpp.listen.unwrap().port(), 2775);
    let bulk = &config.customers[1];
    assert_eq!((bulk.numbers.len(), bulk.smpp.as_ref().unwrap().max_binds), (2, 4));
    let country = Region::parse("GB").map(RouteTarget::Country);
    assert_eq!(Some(config.routes[0].target), country);

    let [ported] = config.ported.as_slice() else { panic!("one table") };
    assert_eq!((ported.calling_code, ported.fresh), (Some(44), Duration::from_secs(8 * 86_400)));
    assert!(!ported.lock && ported.file.ends_with("ported/44.table"));

    let table = RouteTable::new(&config.routes, &config.tables);
    let ranked = |text| {
        let number = Msisdn::parse_strict(text).unwrap();
        let route = table.find(number, &Resolver::default().resolve(number, UnixMs(0))).unwrap();
        route.candidates().iter().map(|own| (own.carrier.0, own.priority, own.cost)).collect()
    };
    let ranked: [Vec<(u16, u8, u64)>; 3] =
        ["442079460000", "447900900123", "33612345678"].map(ranked);
    assert_eq!(ranked[0], [(0, 1, 6_450), (1, 1, 7_100)]);
    assert_eq!(ranked[1], [(1, 1, 0)]);
    assert_eq!(ranked[2], [(1, 1, 0), (0, 2, 0)]);
}

/// What the example says of its defaults is true.
#[test]
fn the_example_shows_the_defaults() {
    let sections = EXAMPLE.split_once("[[customers]]").unwrap().0;
    let mut shown = Config::parse(&sections.replace("shards = 2", "shards = \"auto\"")).unwrap();
    let empty = Config::parse("").unwrap();
    shown.smpp.listen = None;
    assert_eq!(format!("{shown:?}"), format!("{empty:?}"));
    assert_eq!(empty.server.shards, 0);

    let full = Config::parse(EXAMPLE).unwrap();
    let short = Config::parse(&format!("{CUSTOMER}{CARRIER}")).unwrap();
    let mut alpha = short.carriers[0].clone();
    alpha.address.clone_from(&full.carriers[0].address);
    alpha.system_id.clone_from(&full.carriers[0].system_id);
    alpha.password_file.clone_from(&full.carriers[0].password_file);
    assert_eq!(format!("{alpha:?}"), format!("{:?}", full.carriers[0]));
    assert_eq!(format!("{:?}", short.customers[0]), format!("{:?}", full.customers[0]));

    let table = "[[ported]]\nfile = \"/var/lib/postrider/ported/44.table\"\ncalling_code = \"44\"";
    assert_eq!(Config::parse(table).unwrap().ported, full.ported);

    let account = "[smpp]\nlisten = \"[::]:1\"\n[[customers]]\nname = \"bulk\"\n\
                   [customers.smpp]\nsystem_id = \"bulk\"\npassword = \"x\"";
    let short = Config::parse(account).unwrap();
    let of = |config: &Config, index: usize| format!("{:?}", config.customers[index].smpp);
    assert_eq!(of(&short, 0), of(&full, 1));
}

#[test]
fn secrets_are_not_printed() {
    let shown = format!("{:?}", Config::parse(EXAMPLE).unwrap());
    assert!(!shown.contains("secret08") && shown.contains("[redacted]"));
    let text = format!("{CARRIER}password = \"topsecret\u{e9}\"\npassword_file = \"x\"\n");
    assert!(!refusal(&text).contains("topsecret"));
    let text = CUSTOMER.replace("whsec_", "hidden_");
    assert!(!refusal(&text).contains("hidden_MfKQ"));
    let text = format!("{CARRIER}password = 12345678\n");
    assert!(!refusal(&text).contains("12345678"));
}

fn refusal(text: &str) -> String {
    Config::parse(text).expect_err(text).to_string()
}

#[test]
fn toml_errors_say_where() {
    for (text, expected) in [
        ("[server]\nshard = 2\n", "line 2, column 1: unknown key `shard`; did you mean `shards`?"),
        (
            "[server]\n  listne = \"x\"",
            "line 2, column 3: unknown key `listne`; did you mean `listen`?",
        ),
        (
            "[limits]\ncolour = 1\n",
            "line 2, column 1: unknown key `colour`; known keys: open_messages, hot_messages",
        ),
        (
            "[limits]\nhistory_messages = 5\n",
            "line 2, column 1: `history_messages` is no longer a key; history lies on disk",
        ),
        ("[stores]\n", "line 1, column 2: unknown key `stores`; did you mean `store`?"),
        ("[[carriers]]\nname = \"a\"\n\n[[carriers]]\nbind_s = 2", "line 5, column 1"),
        ("[server]\nshards = \"many\"\n", "line 2, column 10: invalid value"),
        ("[server]\nshards = \"many\"\n", "expected a number of shards or \"auto\""),
        ("[server\nshards = 2\n", "line 1, column 8"),
        ("[store]\nsegment_mib = \"64\"\n", "line 2, column 15: invalid type"),
        ("[store]\ndirect = true\ndirect = false\n", "line 3, column 1: duplicate key"),
    ] {
        let found = refusal(text);
        assert!(found.contains(expected), "{text}\n{found}");
    }
}

/// A change of the short configuration, and the problem that it must give.
const WRONG: &[(&str, &str, &str)] = &[
    ("", "[server]\ndata_dir = \"\"", "server.data_dir: it is empty"),
    ("", "[server]\nshards = 0", "server.shards: 0 is out of range; give a number from 1 to 256"),
    ("", "[server]\nshards = 257", "server.shards: 257 is out of range"),
    (
        "",
        "[server]\ndriver = \"urnig\"",
        "server.driver: \"urnig\" is not known; did you mean \"uring\"?",
    ),
    ("", "[server]\ndriver = \"kqueue\"", "use \"auto\", \"uring\", \"poll\""),
    ("", "[server]\nlisten = \"8080\"", "server.listen: \"8080\" is no address to listen on"),
    ("", "[server]\nadmin_listen = \"127.0.0.1:8080\"", "server.admin_listen: it is the same"),
    ("", "[server]\nlog_format = \"xml\"", "server.log_format: \"xml\" is not known"),
    (
        "",
        "[store]\nsegment_mib = 7",
        "store.segment_mib: 7 is out of range; give a number from 8 to 256",
    ),
    ("", "[store]\nmax_segments = 5", "store.max_segments: 5 is out of range"),
    ("", "[limits]\nopen_messages = 0", "limits.open_messages: 0 is out of range"),
    ("", "[limits]\nhot_messages = 63", "limits.hot_messages: 63 is out of range"),
    ("", "[store]\nretention_hours = -1", "store.retention_hours: -1 is out of range"),
    ("", "[webhooks]\ntimeout_seconds = 61", "webhooks.timeout_seconds: 61 is out of range"),
    ("", "[webhooks]\nconnections_per_endpoint = 0", "webhooks.connections_per_endpoint: 0"),
    ("name = \"acme\"", "", "customers[0].name: it is missing"),
    ("name = \"acme\"", "name = \"a b\"", "customers[0].name: \"a b\" is not fit for a name"),
    ("sha256:3f", "sha256:zz", "customers[0].api_keys[0]: it is not the SHA-256 hash of a key"),
    ("api_keys = [", "api_keys = []\n#", "customers[0].api_keys: there is none"),
    ("whsec_", "", "customers[0].webhook_secret: it does not begin with `whsec_`"),
    ("webhook_secret =", "webhook_secret_file = \"x\"\nwebhook_secret =", "are both given"),
    ("webhook_secret =", "# ", "customers[0].webhook_secret: there is none"),
    (
        "webhook_secret =",
        "max_text_chars = 1601\nwebhook_secret =",
        "max_text_chars: 1601 is out of range",
    ),
    (
        "webhook_secret =",
        "content_retention = \"drop\"\nwebhook_secret =",
        "customers[0].content_retention: \"drop\" is not known; use \"keep\", \"discard\"",
    ),
    (
        "webhook_secret =",
        "lenient_numbers = true\ndefault_country = \"gb\"\nwebhook_secret =",
        "customers[0].default_country: \"gb\" is no country with numbers of its own",
    ),
    (
        "webhook_secret =",
        "default_country = \"GB\"\nwebhook_secret =",
        "customers[0].default_country: it changes nothing without lenient_numbers",
    ),
    (
        "webhook_secret =",
        "weight = 0\nwebhook_secret =",
        "customers[0].weight: 0 is out of range; give a number from 1 to 1000",
    ),
    (
        "webhook_secret =",
        "parts_per_second = -1\nwebhook_secret =",
        "customers[0].parts_per_second: -1 is out of range; give a number from 0 to 1000000",
    ),
    ("name = \"alpha\"", "name = \"\"", "carriers[0].name: it is missing"),
    ("", "per_destination = 256", "per_destination: 256 is out of range"),
    ("localhost:2775", "localhost", "carriers[0].address: \"localhost\" is not the address"),
    ("localhost:2775", "localhost:0", "carriers[0].address"),
    ("localhost:2775", "::1:2775", "carriers[0].address"),
    ("localhost:2775", "http://a:1", "carriers[0].address"),
    ("localhost:2775", "[::x]:1", "carriers[0].address"),
    ("system_id = \"me\"", "", "carriers[0].system_id: it is missing"),
    ("\"me\"", "\"sixteen.letters.\"", "carriers[0].system_id: it has 16 octets; give at most 15"),
    ("", "system_type = \"naïve\"", "carriers[0].system_type: it has a character"),
    (
        "",
        "password = \"x\"\npassword_file = \"y\"",
        "carriers[0].password: password and password_file",
    ),
    ("", "bind = \"transciever\"", "did you mean \"transceiver\"?"),
    ("", "version = \"3.3\"", "carriers[0].version: \"3.3\" is not known; did you mean \"3.4\"?"),
    ("", "binds = 0", "carriers[0].binds: 0 is out of range"),
    ("", "window = 1001", "carriers[0].window: 1001 is out of range; give a number from 1 to 1000"),
    ("", "parts_per_second = 1000001", "carriers[0].parts_per_second: 1000001 is out of range"),
    ("", "rate = \"discovr\"", "carriers[0].rate: \"discovr\" is not known; did you mean"),
    ("", "concatenation = \"udh\"", "carriers[0].concatenation: \"udh\" is not known"),
    ("", "receipt_retry_status = 0", "carriers[0].receipt_retry_status: 0 would acknowledge"),
    ("", "enquire_link_seconds = 0", "carriers[0].enquire_link_seconds: 0 is out of range"),
    ("", "response_timeout_seconds = 3601", "carriers[0].response_timeout_seconds: 3601"),
    (
        "",
        "[[carriers]]\nname = \"alpha\"\naddress = \"[::1]:1\"\nsystem_id = \"x\"",
        "carriers[1].name: carriers[0] has the name \"alpha\" too",
    ),
    ("", "[[ported]]\nfile = \"\"", "ported[0].file: it is missing; give the file that"),
    ("", "[[ported]]\nfile = \"a\"\nfresh_hours = 0", "ported[0].fresh_hours: 0 is out of range"),
    ("", "[[ported]]\nfile = \"a\"\ncalling_code = \"+44\"", "\"+44\" is no calling code"),
    (
        "",
        "[[ported]]\nfile = \"a\"\n[[ported]]\nfile = \"a\"",
        "ported[1].file: ported[0] is the same",
    ),
    ("", "[[routes]]\nprefix = \"\"\ncarriers = []", "routes[0].carriers: there is none"),
];

#[test]
fn every_problem_has_its_place() {
    for (find, replace, expected) in WRONG.iter().copied() {
        let base = format!("{CUSTOMER}{CARRIER}");
        assert!(base.contains(find), "{find}");
        let text = match find {
            "" => format!("{base}{replace}\n"),
            find => base.replacen(find, replace, 1),
        };
        let errors = Config::parse(&text).expect_err(&text);
        let found = errors.to_string();
        assert!(found.contains(expected), "{replace}\n{found}");
        assert_eq!(errors.problems.len(), 1, "{replace}\n{found}");
        let problem = &errors.problems[0];
        assert!(!problem.mend.is_empty(), "{problem}");
    }
}

#[test]
fn routes_are_checked() {
    let second = CARRIER.replace("alpha", "inbound") + "bind = \"receiver\"\n";
    for (route, expected) in [
        ("prefix = \"044\"\ncarriers = [\"alpha\"]", "routes[0].prefix: \"044\" is no prefix"),
        ("prefix = \"+44\"\ncarriers = [\"alpha\"]", "routes[0].prefix: \"+44\" is no prefix"),
        ("country = \"UK\"\ncarriers = [\"alpha\"]", "routes[0].country: \"UK\" is no country"),
        ("country = \"001\"\ncarriers = [\"alpha\"]", "routes[0].country: \"001\" is no country"),
        ("operator = \"23415\"\ncarriers = [\"alpha\"]", "\"23415\" is no code of an operator"),
        ("carriers = [\"alpha\"]", "routes[0]: neither prefix nor country nor operator is given"),
        (
            "prefix = \"1\"\ncountry = \"US\"\ncarriers = [\"alpha\"]",
            "routes[0]: more than one of prefix, country and operator is given",
        ),
        (
            "prefix = \"1\"\nmin_confidence_permille = 900\ncarriers = [\"alpha\"]",
            "routes[0].min_confidence_permille: only a route for an operator has it",
        ),
        (
            "operator = \"234-15\"\nmin_confidence_permille = 1001\ncarriers = [\"alpha\"]",
            "routes[0].min_confidence_permille: 1001 is out of range",
        ),
        (
            "prefix = \"1\"\ncost_tolerance_percent = -1\ncarriers = [\"alpha\"]",
            "routes[0].cost_tolerance_percent: -1 is out of range",
        ),
        (
            "prefix = \"1\"\ncarriers = [{ carrier = \"alpha\", cost_micros = 1 }, \"beta\"]",
            "routes[0].carriers: carrier \"beta\" has no price, and another one has",
        ),
        (
            "prefix = \"1\"\ncarriers = [{ carrier = \"alpha\", cost_micros = 10, cost_millicents = 1 }]",
            "routes[0].carriers[0]: cost_micros and cost_millicents are both given",
        ),
        (
            "prefix = \"1\"\ncarriers = [{ carrier = \"alpha\", cost_micros = -1 }]",
            "routes[0].carriers[0].cost_micros: -1 is out of range",
        ),
        (
            "prefix = \"1\"\ncarriers = [{ carrier = \"alpha\", priority = 0 }]",
            "routes[0].carriers[0].priority: 0 is out of range",
        ),
        (
            "prefix = \"1\"\ncarriers = [{ carrier = \"alpha\", weight = 1001 }]",
            "routes[0].carriers[0].weight: 1001 is out of range",
        ),
        (
            "prefix = \"1\"\ncarriers = [{ carrier = \"alpha\", wieght = 1 }]",
            "unknown key `wieght`; did you mean `weight`?",
        ),
        ("prefix = \"1\"\ncarriers = [1]", "the name of a carrier, or a table like"),
        ("prefix = \"1\"\ncarriers = [{ priority = 1 }]", "missing field `carrier`"),
        ("prefix = \"1\"\ncarriers = [\"alhpa\"]", "no carrier \"alhpa\"; did you mean \"alpha\"?"),
        ("prefix = \"1\"\ncarriers = [\"zzz\"]", "add it to [[carriers]] or correct the name"),
        ("prefix = \"1\"\ncarriers = [\"alpha\", \"alpha\"]", "\"alpha\" is named twice"),
        ("prefix = \"1\"\ncarriers = [\"inbound\"]", "binds as receiver and cannot send"),
        (
            "prefix = \"1\"\ncarriers = [\"alpha\"]\n[[routes]]\nprefix = \"1\"\ncarriers = [\"alpha\"]",
            "routes[1]: routes[0] is for the same numbers",
        ),
    ] {
        let beta = CARRIER.replace("alpha", "beta");
        let text = format!("{CARRIER}{second}{beta}\n[[routes]]\n{route}\n");
        let found = refusal(&text);
        assert!(found.contains(expected), "{route}\n{found}");
        assert_eq!(found.lines().count(), 1, "{found}");
    }
}

#[test]
fn prices_and_what_they_count_for() {
    let routed = |text: &str| {
        let beta = CARRIER.replace("alpha", "beta");
        let text = format!("{text}\n{CARRIER}{beta}\n[[routes]]\nprefix = \"\"\n");
        move |route: &str| Config::parse(&format!("{text}{route}"))
    };
    let config = routed("")(
        "carriers = [{ carrier = \"alpha\", cost_millicents = 645, weight = 3 },
                     { carrier = \"beta\", priority = 1, cost_micros = 0 }]",
    );
    let route = &config.unwrap().routes[0];
    let found = route.carriers.iter().map(|own| (own.priority, own.cost, own.weight));
    assert_eq!(found.collect::<Vec<_>>(), [(1, 6_450, 3), (1, 0, 1)]);
    assert!(route.priced);
    assert_eq!(route.tolerance, Some(0), "what has a price may go where it is not dearer");

    let plain = routed("")("carriers = [\"alpha\", \"beta\"]").unwrap();
    assert_eq!((plain.routes[0].priced, plain.routes[0].tolerance), (false, None));
    assert_eq!(plain.routing, RoutingConfig::default());
    let open = routed("")("carriers = [\"alpha\"]\ncost_tolerance_percent = 20").unwrap();
    assert_eq!(open.routes[0].tolerance, Some(20));

    let weights = "[routing.weights]\ncost = 100\ndelivery = 0\nlatency = 0\nload = 0";
    let own = routed(weights)("carriers = [\"alpha\"]").unwrap().routing;
    assert_eq!((own.cost_weight, own.delivery_weight, own.load_weight), (100, 0, 0));
    for (text, expected) in [
        ("[routing.weights]\ncost = 50", "routing.weights: they add up to 110; they are percent"),
        ("[routing]\nnear_tie_percent = 21", "routing.near_tie_percent: 21 is out of range"),
        ("[routing]\nexplore_percent = -1", "routing.explore_percent: -1 is out of range"),
        ("[routing]\nhalf_life_seconds = 0", "routing.half_life_seconds: 0 is out of range"),
        ("[routing]\ncurrency = \"euro\"", "routing.currency: \"euro\" is no currency"),
    ] {
        let found = routed(text)("carriers = [\"alpha\"]").unwrap_err().to_string();
        assert!(found.contains(expected), "{found}");
        assert_eq!(found.lines().count(), 1, "{found}");
    }
}

#[test]
fn all_problems_come_at_once() {
    let text = format!(
        "[server]\nshards = 999\ndriver = \"x\"\n{CUSTOMER}{}\n{CARRIER}window = 0\nbinds = -4\n\
         [[routes]]\nprefix = \"x\"\ncarriers = [\"nobody\"]\n",
        CUSTOMER.replace("acme", "other")
    );
    let errors = Config::parse(&text).unwrap_err();
    let places: Vec<&str> = errors.problems.iter().map(|problem| problem.at.as_str()).collect();
    assert_eq!(
        places,
        [
            "server.shards",
            "server.driver",
            "customers[1].api_keys[0]",
            "carriers[0].binds",
            "carriers[0].window",
            "routes[0].prefix",
            "routes[0].carriers",
        ]
    );
}

fn with_files() -> Config {
    let customer = CUSTOMER.replace("webhook_secret = \"", "webhook_secret_file = \"/s/");
    let text = format!("{customer}{CARRIER}password_file = \"/s/alpha\"\n");
    Config::parse(&text).unwrap()
}

#[test]
fn secrets_come_from_files() {
    let mut config = with_files();
    assert!(config.customers[0].webhook_secret.expose().is_empty());
    let mut asked = Vec::new();
    let loaded = config.load_secrets(&mut |path| {
        asked.push(path.display().to_string());
        Ok(match path.to_str() {
            Some("/s/alpha") => String::from("pass word \r\n"),
            _ => String::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"),
        })
    });
    assert_eq!(loaded, Ok(()));
    assert_eq!(asked.len(), 2);
    assert_eq!(config.carriers[0].password.expose(), "pass word ");
    assert_eq!(config.customers[0].webhook_secret.expose().len(), 24);
}

#[test]
fn every_bad_secret_file_is_named() {
    let errors: ConfigErrors =
        with_files().load_secrets(&mut |_| Err(String::from("no such file"))).unwrap_err();
    let text = errors.to_string();
    assert!(text.contains("customers[0].webhook_secret_file: /s/whsec_"), "{text}");
    assert!(text.contains("carriers[0].password_file: /s/alpha cannot be read: no such file"));
    let errors = with_files().load_secrets(&mut |_| Ok("hush\u{7}".repeat(20))).unwrap_err();
    assert_eq!(errors.problems.len(), 3, "{errors}");
    assert!(!errors.to_string().contains("hush"));
}
