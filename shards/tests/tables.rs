//! Tables of numbers by the real program: snapshots are built and shown, and a running gateway goes by
//! an operator's own set, takes another one under load, and refuses a wrong one. On the tests' threads.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests"
)]

mod common;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{Client, Ended, HUNG, alone, free_port, local, program, run_to_end, serve};
use postrider_http::auth::hash_api_key;
use serde_json::{Value, json};

const KEY: &str = "pr_test_tables";
/// In a range that Vodafone got, as the program's own tables say.
const NUMBER: &str = "+447717000001";

/// Operators of the range of [`NUMBER`], true on this day of 2026-11.
fn write_set(folder: &Path, day: u32, name: &str) {
    std::fs::create_dir_all(folder).unwrap();
    let write = |file: &str, text: String| std::fs::write(folder.join(file), text).unwrap();
    write("operators.csv", format!("operator_id,operator,mcc,mnc\n1,{name},234,99\n"));
    write("operator_prefixes.csv", String::from("prefix,operator_id\n447717,1\n"));
    let row = |file: &str| format!("{file},2026-11-{day},{name}'s own list\n");
    let rows = row("operators.csv") + &row("operator_prefixes.csv");
    write("sources.csv", format!("file,as_of,source\n{rows}"));
}

fn tables(arguments: &[&str]) -> Ended {
    let mut command = program("tables");
    command.args(arguments);
    run_to_end(command, "", HUNG)
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn shown(arguments: &[&str]) -> Value {
    let ended = tables(&[&["show", "--json"], arguments].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

#[track_caller]
fn refused(ended: &Ended, word: &str) {
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.contains(word), "{word}: {ended:?}");
}

#[test]
fn a_snapshot_is_built_once_and_used_while_it_is_that_of_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("numbers");
    write_set(&set, 20, "Ours");
    let from = |set: &Path| shown(&[path(set)])["from"].as_str().unwrap().to_owned();
    assert!(from(&set).ends_with("numbers (CSV files)"), "{}", from(&set));
    let built = tables(&["build", "--from", path(&set)]);
    assert!(built.stdout.contains("tables.snapshot: 36409 rows in "), "{built:?}");
    let again = tables(&["build", "--from", path(&set)]);
    assert!(again.stdout.contains("tables.snapshot is up to date: 36409 rows"), "{again:?}");
    assert!(from(&set).ends_with("(tables.snapshot in the folder)"), "{}", from(&set));
    // Another file, and it counts no more until it is built again.
    write_set(&set, 21, "Ours");
    assert!(from(&set).contains("left alone: it was made of other files"), "{}", from(&set));
    let shown_set = shown(&[path(&set)]);
    let operators = &shown_set["tables"][3];
    assert_eq!(
        [&operators["file"], &operators["rows"], &operators["own"], &operators["as_of"]],
        [&json!("operators.csv"), &json!(1), &json!(true), &json!("2026-11-21T00:00:00.000Z")]
    );
    let elsewhere = folder.path().join("one.snapshot");
    let built = tables(&["build", "--from", path(&set), "--to", path(&elsewhere)]);
    assert_eq!(built.code, Some(0), "{built:?}");
    let alone = shown(&[path(&elsewhere)]);
    assert_eq!(alone["tables"], shown_set["tables"]);
    // A snapshot alone that is broken is refused; one beside its files is not needed.
    let mut octets = std::fs::read(&elsewhere).unwrap();
    let middle = octets.len() / 2;
    octets[middle] ^= 1;
    std::fs::write(&elsewhere, &octets).unwrap();
    refused(&tables(&["show", path(&elsewhere)]), "one.snapshot: it is damaged; build it anew");
    std::fs::write(set.join("tables.snapshot"), &octets).unwrap();
    assert!(from(&set).contains("left alone: it is damaged"), "{}", from(&set));
    octets[8] += 1;
    std::fs::write(&elsewhere, octets).unwrap();
    refused(&tables(&["show", path(&elsewhere)]), "it has format 2; this program reads format 1");
    refused(&tables(&["show", path(&folder.path().join("none"))]), "No such file");
}

#[test]
fn what_is_wrong_with_a_set_is_named_with_file_and_line_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path();
    write_set(set, 20, "Ours");
    let built = tables(&["build", "--from", path(set)]);
    assert_eq!(built.code, Some(0), "{built:?}");
    let before = std::fs::read(set.join("tables.snapshot")).unwrap();
    for (file, octets, expected) in [
        (
            "operator_prefixes.csv",
            &b"prefix,operator_id\n447717,1\n44x,1\n"[..],
            ", line 3: prefix",
        ),
        ("operator_prefixes.csv", b"prefix,operator_id\n447717,2\n", ", line 2: operator_id \"2\""),
        ("operators.csv", b"operator_id,operator,mcc,mnc\n1,\xff,,\n", ", line 2: it is not UTF-8"),
        ("operatorz.csv", b"", ", line 1: there is no such table"),
    ] {
        write_set(set, 20, "Ours");
        std::fs::write(set.join(file), octets).unwrap();
        let expected = format!("{}{expected}", path(&set.join(file)));
        refused(&tables(&["build", "--from", path(set)]), &expected);
        refused(&tables(&["show", path(set)]), &expected);
        assert_eq!(std::fs::read(set.join("tables.snapshot")).unwrap(), before);
    }
}

#[test]
fn the_programs_own_tables_are_shown_with_rows_dates_and_sources() {
    let text = tables(&["show"]).stdout;
    println!("{text}");
    for line in
        ["numbers: part of the program, ", "operator_prefixes     29206  2026-11-06  program"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(text.contains("libphonenumber (phonenumbers 9.0.43)"), "{text}");
}

fn configure(folder: &Path, (http, admin): (SocketAddr, SocketAddr), more: &str) {
    let hash: String = hash_api_key(KEY).iter().map(|octet| format!("{octet:02x}")).collect();
    let text = format!(
        "[server]\ndata_dir = {:?}\nshards = 2\npin = false\nlisten = \"{http}\"\n\
         admin_listen = \"{admin}\"\n[store]\nsegment_mib = 8\nmax_segments = 8\n\
         [numbers]\ntables = \"numbers\"\n\
         [[customers]]\nname = \"acme\"\napi_keys = [\"sha256:{hash}\"]\n\
         webhook_secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n\
         [[carriers]]\nname = \"alpha\"\naddress = \"127.0.0.1:1\"\nsystem_id = \"test\"\n\
         password = \"test\"\n[[routes]]\ncountry = \"GB\"\ncarriers = [\"alpha\"]\n{more}",
        folder.join("data"),
    );
    std::fs::write(folder.join("gateway.toml"), text).unwrap();
}

/// Who has the number, and since when that is true, as a look-up says.
fn found(client: &mut Client) -> Value {
    let (status, answer) = client.post(&format!("/api/v1/lookups/{NUMBER}"), KEY, "").unwrap();
    assert_eq!(status, 200, "{answer}");
    let one: Value = serde_json::from_str(&answer).unwrap();
    json!([one["carrier"], one["source"], one["checked_at"]])
}

/// What a reload was answered.
fn reload(admin: SocketAddr) -> (u16, String) {
    Client::connect(admin).unwrap().post("/reload", KEY, "").unwrap()
}

#[test]
fn a_running_gateway_takes_another_set_at_once_and_refuses_a_wrong_one() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let set = folder.path().join("numbers");
    write_set(&set, 20, "Ours");
    let (http, admin) = (local(free_port()), local(free_port()));
    configure(folder.path(), (http, admin), "");
    let _gateway = serve(folder.path(), admin);
    let mut client = Client::connect(http).unwrap();
    let old = json!(["Ours", "range", "2026-11-20T00:00:00.000Z"]);
    let new = json!(["Theirs", "range", "2026-11-21T00:00:00.000Z"]);
    assert_eq!(found(&mut client), old);
    // A wrong row: the answer names it, and the old set goes on.
    std::fs::write(set.join("operator_prefixes.csv"), "prefix,operator_id\n447717,7\n").unwrap();
    let (status, answer) = reload(admin);
    let expected = "operator_prefixes.csv, line 2: operator_id \\\"7\\\" is not in operators.csv";
    assert!(status == 422 && answer.contains(expected), "{status}: {answer}");
    assert!(answer.contains("gateway.toml:11: numbers.tables: "), "{answer}");
    assert_eq!(found(&mut client), old);
    // Under load every answer is of one set or the other, and after the reload of the new one alone.
    write_set(&set, 21, "Theirs");
    let (over, mut asked) = (AtomicBool::new(false), 0);
    let took = std::thread::scope(|scope| {
        let load = |_| {
            scope.spawn(|| {
                let mut client = Client::connect(http).unwrap();
                let mut count = 0;
                while !over.load(Ordering::Relaxed) {
                    let found = found(&mut client);
                    assert!(found == old || found == new, "{found}");
                    count += 1;
                }
                count
            })
        };
        let loads: Vec<_> = (0..4).map(load).collect();
        std::thread::sleep(Duration::from_millis(200));
        let begun = Instant::now();
        let (status, answer) = reload(admin);
        let took = begun.elapsed();
        assert_eq!(status, 200, "{answer}");
        assert!(answer.contains("\"tables_changed\":true"), "{answer}");
        for _ in 0..100 {
            assert_eq!(found(&mut client), new);
        }
        over.store(true, Ordering::Relaxed);
        asked = loads.into_iter().map(|load| load.join().unwrap()).sum::<u32>();
        took
    });
    println!("another set counted after {took:?}, {asked} look-ups meanwhile");
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(asked > 50, "{asked}");
    // The program's own once the file says so, and a country that a set does not have is named.
    let text = std::fs::read_to_string(folder.path().join("gateway.toml")).unwrap();
    std::fs::write(set.join("regions.csv"), "prefix,iso2\n33,FR\n").unwrap();
    let sources = std::fs::read_to_string(set.join("sources.csv")).unwrap();
    std::fs::write(set.join("sources.csv"), sources + "regions.csv,2026-11-21,ours\n").unwrap();
    let (status, answer) = reload(admin);
    assert!(
        status == 422 && answer.contains("routes[0].country: \\\"GB\\\" is no country"),
        "{answer}"
    );
    assert_eq!(found(&mut client), new);
    let own = text.replace("tables = \"numbers\"\n", "");
    std::fs::write(folder.path().join("gateway.toml"), own).unwrap();
    assert_eq!(reload(admin).0, 200);
    assert_eq!(found(&mut client)[0], "Vodafone");
}

#[test]
fn a_configurations_tables_are_shown_with_those_of_ported_numbers() {
    let folder = tempfile::tempdir().unwrap();
    write_set(&folder.path().join("numbers"), 20, "Ours");
    let mut build = program("ported");
    build.args(["build", "--covers", "44", "--full", "-", "--table"]);
    build.arg(folder.path().join("44.table"));
    let feed = "# as_of: 2026-11-20T00:00:00Z\nnumber,mcc,mnc\n447717000001,234,30\n";
    let built = run_to_end(build, feed, HUNG);
    assert_eq!(built.code, Some(0), "{built:?}");
    let ported =
        "[[ported]]\nfile = \"44.table\"\nfresh_hours = 8784\n[[ported]]\nfile = \"no.table\"\n";
    configure(folder.path(), (local(1), local(2)), ported);
    let config = folder.path().join("gateway.toml");
    let text = tables(&["show", "--config", path(&config)]).stdout;
    println!("{text}");
    assert!(text.contains("numbers (CSV files)"), "{text}");
    assert!(text.contains("2027-11-21 00:00Z"), "{text}");
    let shown = shown(&["--config", path(&config)]);
    let [table, missing] = shown["ported"].as_array().unwrap().as_slice() else { panic!() };
    assert_eq!(
        [&table["country"], &table["numbers"], &table["fresh"], &table["fresh_until"]],
        [&json!("GB"), &json!(1), &json!(true), &json!("2027-11-21T00:00:00.000Z")]
    );
    assert!(missing["error"].as_str().unwrap().contains("no.table"), "{missing}");
    // What the plan counts for all shards.
    let mut plan = program("plan");
    plan.args(["--cores", "2", "--json", "--config"]).arg(&config);
    let planned: Value = serde_json::from_str(&run_to_end(plan, "", HUNG).stdout).unwrap();
    let memory = &planned["shared_memory_bytes"];
    let size = std::fs::metadata(folder.path().join("44.table")).unwrap().len();
    assert_eq!(memory["ported"][0]["bytes"], size);
    assert_eq!(memory["ported"][1]["bytes"], Value::Null);
    assert_eq!(memory["numbers"], shown["memory_bytes"]);
    assert_eq!(memory["total"], size + shown["memory_bytes"].as_u64().unwrap());
}
