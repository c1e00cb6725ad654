//! The small commands of the real program: their answers, exit statuses and help, and every test
//! vector through them. On the test's thread, each command as a process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Ended, HUNG, program, run_to_end};
use serde_json::{Map, Value, json};

fn run(arguments: &[&str], input: &str) -> Ended {
    let (command, rest) = arguments.split_first().unwrap();
    let mut program = program(command);
    program.args(rest);
    run_to_end(program, input, HUNG)
}

/// Runs a command that ends with `code`; what it said on standard output.
fn said(code: i32, arguments: &[&str], input: &str) -> String {
    let ended = run(arguments, input);
    assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
    ended.stdout
}

/// The JSON answers to `lines`, one each.
fn answers(arguments: &[&str], lines: &[String]) -> Vec<Value> {
    let said = said(0, arguments, &(lines.join("\n") + "\n"));
    let answers: Vec<Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), lines.len(), "one answer a line");
    answers
}

fn vectors(path: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

// --- pdu ---

const ENQUIRE_LINK: &str = "00:00:00:10 00000015 00000000 0000002a";
const RESPONSE: &str = "00000014 80000004 00000058 00000007 61 62 63 00";

#[test]
fn pdus_are_decoded_line_by_line() {
    let two = format!("{ENQUIRE_LINK} {ENQUIRE_LINK}");
    let lines = [RESPONSE, "no hexadecimal", &two, "00000010", ENQUIRE_LINK].map(str::to_owned);
    let read = answers(&["pdu", "decode", "--json"], &lines);
    assert_eq!(read[0]["command"], "submit_sm_resp");
    assert_eq!(read[0]["command_status"], 0x58);
    assert_eq!(read[0]["fields"], json!({ "message_id": "abc" }));
    for (at, part) in [(1, "no hexadecimal"), (2, "follow the PDU"), (3, "incomplete")] {
        let error = read[at]["error"].as_str().unwrap_or_else(|| panic!("{}", read[at]));
        assert!(error.contains(part), "line {at}: {error}");
    }
    assert_eq!(
        (&read[4]["command"], &read[4]["sequence_number"]),
        (&"enquire_link".into(), &42.into())
    );
}

#[test]
fn for_people_a_bad_pdu_is_a_failure_and_the_next_is_still_read() {
    let said = said(1, &["pdu", "decode"], &format!("xyz\n{RESPONSE}\n"));
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("error: column 1: 'x'"), "{said}");
    assert_eq!(lines[1], "submit_sm_resp sequence 7 status 0x00000058 ESME_RTHROTTLED");
    assert_eq!(lines[2].split_whitespace().collect::<Vec<_>>(), ["message_id", "\"abc\""]);
    assert_eq!(lines.len(), 3, "{said}");
}

/// Every PDU with its strict reading: three generated files and the recorded sessions.
fn pdu_vectors() -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for file in ["smpplib.json", "smpp_pdu3.json", "node-smpp.json"] {
        for vector in list(&vectors(&format!("smpp/tests/vectors/{file}")), "vectors") {
            let (id, hex) = (text(vector, "id").to_owned(), text(vector, "hex").to_owned());
            found.push((id, hex, vector["canonical"].clone()));
        }
    }
    for (number, session) in
        list(&vectors("smpp/tests/vectors/sessions.json"), "sessions").iter().enumerate()
    {
        for (step, vector) in list(session, "transcript").iter().enumerate() {
            if let Some(hex) = vector["hex"].as_str() {
                let id = format!("session {number} step {step}");
                found.push((id, hex.to_owned(), vector["canonical"].clone()));
            }
        }
    }
    found
}

#[test]
fn every_pdu_of_other_implementations_is_shown_as_it_strictly_reads() {
    let vectors = pdu_vectors();
    assert!(vectors.len() > 191, "{}", vectors.len());
    let lines: Vec<String> = vectors.iter().map(|(_, hex, _)| hex.clone()).collect();
    for ((id, _, canonical), shown) in
        vectors.iter().zip(answers(&["pdu", "decode", "--json"], &lines))
    {
        let header = &canonical["header"];
        for key in ["command", "command_id", "sequence_number"] {
            assert_eq!(shown[key], header[key], "{id}: {key}");
        }
        let status = u32::from_str_radix(&text(header, "command_status")[2..], 16).unwrap();
        assert_eq!(shown["command_status"], status, "{id}");
        let fields = list(canonical, "fields").iter().map(|field| {
            let value = if field["type"] == "octet-string" { "hex" } else { "value" };
            (text(field, "name").to_owned(), field[value].clone())
        });
        assert_eq!(shown["fields"], Value::from(fields.collect::<Map<String, Value>>()), "{id}");
        let tlvs = list(canonical, "tlvs");
        assert_eq!(list(&shown, "tlvs").len(), tlvs.len(), "{id}");
        for (shown, tlv) in list(&shown, "tlvs").iter().zip(tlvs) {
            let value = tlv.get("value").filter(|value| !value.is_null()).unwrap_or(&tlv["hex"]);
            assert_eq!(&shown["value"], value, "{id}");
            for key in ["tag", "name", "hex"] {
                assert_eq!(shown[key], tlv[key], "{id}: {key}");
            }
        }
    }
}

#[test]
fn every_pdu_of_other_implementations_is_encoded_from_what_decode_shows() {
    let (hexes, lines): (Vec<String>, Vec<String>) = {
        let hexes: Vec<String> = pdu_vectors().into_iter().map(|(_, hex, _)| hex).collect();
        let shown = answers(&["pdu", "decode", "--json"], &hexes);
        (hexes, shown.iter().map(Value::to_string).collect())
    };
    let encoded = said(0, &["pdu", "encode"], &lines.join("\n"));
    assert_eq!(encoded.lines().collect::<Vec<_>>(), hexes);
}

#[test]
fn an_edited_pdu_is_encoded_and_a_fault_names_its_field() {
    let shown = answers(&["pdu", "decode", "--json"], &[RESPONSE.to_owned()]).remove(0);
    let with = |edit: &dyn Fn(&mut Value)| {
        let mut edited = shown.clone();
        edit(&mut edited);
        edited.to_string()
    };
    let lines = [
        with(&|pdu| pdu["status"] = "ESME_RMSGQFUL".into()),
        with(&|pdu| pdu["fields"]["message_id"] = 7.into()),
        with(&|pdu| pdu["sequence_number"] = 8.into()),
        "no JSON".to_owned(),
    ];
    let said = said(1, &["pdu", "encode"], &lines.join("\n"));
    let said: Vec<&str> = said.lines().collect();
    assert_eq!(said[0], "0000001480000004000000140000000761626300");
    assert_eq!(said[1], "error: message_id: 7 is no text");
    assert_eq!(said[2], "0000001480000004000000580000000861626300");
    assert!(said[3].starts_with("error: no JSON: "), "{said:?}");
}

/// Well-formed PDUs that are wrong in their text or for the session's state: a session refuses them,
/// a reader of octets shows them.
const READABLE: [&str; 5] =
    ["both-sm-and-payload", "udhl-overrun", "udh-ie-overrun", "submit-in-open", "submit-on-rx"];

#[test]
fn hostile_pdus_are_refused_or_read_and_never_end_the_work() {
    let file = vectors("smpp/tests/vectors/malformed.json");
    let vectors = list(&file, "vectors");
    let lines: Vec<String> = vectors.iter().map(|vector| text(vector, "hex").to_owned()).collect();
    for (vector, shown) in vectors.iter().zip(answers(&["pdu", "decode", "--json"], &lines)) {
        let id = text(vector, "id");
        if id == "two-in-one" {
            assert!(text(&shown, "error").contains("follow the PDU"), "a line holds one PDU");
        } else if vector["must_parse"] == true || READABLE.contains(&id) {
            assert!(shown["command"].is_string(), "{id}: {shown}");
        } else {
            assert!(!text(&shown, "error").is_empty(), "{id}: {shown}");
        }
    }
    let stated = |id: &&str| vectors.iter().any(|vector| text(vector, "id") == *id);
    assert!(vectors.len() == 36 && READABLE.iter().all(stated));
}

// --- receipts and texts ---

#[test]
fn every_receipt_text_is_read_as_expected() {
    let file = vectors("smpp/tests/vectors/dlr_text.json");
    let vectors = list(&file, "vectors");
    let quoted = |vector: &Value| vector["text"].to_string();
    let lines: Vec<String> = vectors.iter().map(quoted).collect();
    let keys = [
        ("id", "id"),
        ("stat", "stat_raw"),
        ("state", "state"),
        ("err", "err_raw"),
        ("submit_date", "submit_date_raw"),
        ("done_date", "done_date_raw"),
        ("sub", "sub"),
        ("dlvrd", "dlvrd"),
        ("text", "text"),
    ];
    for (vector, read) in vectors.iter().zip(answers(&["receipt", "parse", "--json"], &lines)) {
        for (key, expected) in keys {
            assert_eq!(read[key], vector["expected"][expected], "{}: {key}", text(vector, "id"));
        }
    }
    // As a plain line too, where it holds no line end.
    let plain: Vec<&Value> =
        vectors.iter().filter(|vector| !text(vector, "text").contains(['\n', '\r'])).collect();
    assert!(plain.len() > 20);
    let lines: Vec<String> = plain.iter().map(|vector| text(vector, "text").to_owned()).collect();
    for (vector, read) in plain.iter().zip(answers(&["receipt", "parse", "--json"], &lines)) {
        assert_eq!(read["id"], vector["expected"]["id"], "{}", text(vector, "id"));
        assert_eq!(read["state"], vector["expected"]["state"], "{}", text(vector, "id"));
    }
    let others: Vec<String> = list(&file, "not_receipts").iter().map(quoted).collect();
    for read in answers(&["receipt", "parse", "--json"], &others) {
        assert!(read["error"].is_string(), "{read}");
    }
}

#[test]
fn receipts_are_shown_to_people() {
    let line = "id:7 sub:001 dlvrd:001 submit date:0809011130 done date:0809021131 stat:UNDELIV \
        err:011 Text:Hello";
    let said = said(1, &["receipt", "parse"], &format!("{line}\nHello\n"));
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("id=7  state=UNDELIVERABLE  stat=UNDELIV  err=011"), "{said}");
    assert!(lines[1].starts_with("error: "), "{said}");
}

/// A vector's text: as it stands, or `'a' * n`.
fn text_of(vector: &Value) -> String {
    if let Some(text) = vector["text"].as_str() {
        return text.to_owned();
    }
    let (letter, count) = text(vector, "text_rule").split_once(" * ").unwrap();
    letter.trim_matches('\'').repeat(count.parse().unwrap())
}

#[test]
fn every_text_is_split_as_the_vectors_say() {
    let file = vectors("core/tests/vectors/segmentation.json");
    let vectors = list(&file, "vectors");
    assert_eq!(vectors.len() as u64, file["count"].as_u64().unwrap());
    let lines: Vec<String> =
        vectors.iter().map(|vector| Value::from(text_of(vector)).to_string()).collect();
    for (reference, count, units) in
        [("8", "parts_ref8", "part_units_ref8"), ("16", "parts_ref16", "part_units_ref16")]
    {
        let read = answers(&["text", "parts", "--json", "--reference", reference], &lines);
        for (vector, read) in vectors.iter().zip(read) {
            let id = text(vector, "id");
            assert_eq!(read["encoding"], vector["encoding"], "{id}");
            assert_eq!(read["units"], vector["total_units"], "{id}");
            assert_eq!(read["parts"], vector[count], "{id}");
            if vector[units].is_array() {
                assert_eq!(read["part_units"], vector[units], "{id}");
            }
            let gsm = read["encoding"] == "gsm7";
            assert_eq!(list(&read, "forced_by").is_empty(), gsm, "{id}");
        }
    }
}

#[test]
fn texts_are_explained_to_people_and_bad_lines_to_programs() {
    let said = said(0, &["text", "parts"], "hello\nit’s\n");
    assert_eq!(said, "gsm7: 5 units in 1 part\nucs2: 4 units in 1 part, forced by '’'\n");
    let lines = ["hello", "\"hello\""].map(str::to_owned);
    let read = answers(&["text", "parts", "--json"], &lines);
    assert!(read[0]["error"].as_str().unwrap().contains("not a JSON string"), "{}", read[0]);
    assert_eq!(read[1]["parts"], 1);
}

// --- check and plan ---

/// A folder with a configuration.
fn config(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("postrider.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

const GOOD: &str = r#"
[server]
shards = 2

[[carriers]]
name = "alpha"
address = "127.0.0.1:2775"
system_id = "esme"
password = "secret08"
binds = 3
window = 10

[[routes]]
prefix = ""
carriers = ["alpha"]
"#;

fn with_config(command: &str, path: &Path, more: &[&str]) -> Ended {
    let mut arguments = vec![command, "--config", path.to_str().unwrap(), "--cores", "2"];
    arguments.extend(more);
    run(&arguments, "")
}

#[test]
fn check_sums_up_what_is_good_and_names_all_that_is_not() {
    let (_folder, path) = config(GOOD);
    let good = with_config("check", &path, &[]);
    assert_eq!(good.code, Some(0), "{good:?}");
    assert_eq!(good.stdout, "ok: 2 shards, 0 customers, 1 carrier, 1 route\n");
    let bad = GOOD
        .replace("shards = 2", "shards = 2\nlisten = \"here\"\ndriver = \"epoll\"")
        .replace("window = 10", "window = 0\nconcatenation = \"udh\"")
        .replace("[\"alpha\"]", "[\"alfa\"]");
    let (_folder, path) = config(&bad);
    let bad = with_config("check", &path, &[]);
    assert_eq!(bad.code, Some(4), "{bad:?}");
    let keys = [
        "server.driver",
        "server.listen",
        "carriers[0].window",
        "carriers[0].concatenation",
        "routes[0].carriers",
    ];
    for key in keys {
        let named = bad.stdout.lines().filter(|line| line.contains(&format!(": {key}: ")));
        assert_eq!(named.count(), 1, "{key} in\n{}", bad.stdout);
    }
    assert_eq!(bad.stdout.lines().count(), keys.len(), "{}", bad.stdout);
    let (_folder, path) = config("[server\n");
    let broken = with_config("check", &path, &[]);
    assert!(broken.code == Some(4) && broken.stdout.contains("line 1"), "{broken:?}");
    let missing = with_config("check", Path::new("/nonexistent/postrider.toml"), &[]);
    assert!(missing.code == Some(1) && missing.stderr.contains("cannot be read"), "{missing:?}");
}

#[test]
fn secrets_are_never_printed() {
    // Even where it has the wrong type, and the TOML reader would like to show it.
    let (_folder, path) = config(&GOOD.replace("\"secret08\"", "190808"));
    for command in ["check", "plan"] {
        let ended = with_config(command, &path, &[]);
        let all = ended.stdout + &ended.stderr;
        assert!(ended.code == Some(4) && all.contains("expected a string"), "{all}");
        assert!(!all.contains("190808"), "{command}: {all}");
    }
    let (_folder, path) = config(&GOOD.replace("window = 10", "window = 0"));
    for (command, more) in [("check", &[][..]), ("plan", &[]), ("plan", &["--json"])] {
        let ended = with_config(command, &path, more);
        let all = ended.stdout + &ended.stderr;
        assert!(!all.contains("secret08"), "{command}: {all}");
    }
}

#[test]
fn the_plan_is_for_people_and_for_programs() {
    let (_folder, path) = config(GOOD);
    let human = with_config("plan", &path, &[]);
    assert_eq!(human.code, Some(0), "{human:?}");
    for words in ["2 shards on 2 cores", "alpha", "crossings", "memory"] {
        assert!(human.stdout.contains(words), "{words} in\n{}", human.stdout);
    }
    let programs = with_config("plan", &path, &["--json"]);
    let plan: Value = serde_json::from_str(&programs.stdout).unwrap();
    assert_eq!((&plan["cores"], &plan["shard_count"]), (&2.into(), &2.into()));
    assert_eq!(plan["carriers"][0]["binds_per_shard"], json!([2, 1]));
    assert_eq!(plan["carriers"][0]["in_flight_max"], 30);
    let partitions =
        list(&plan, "shards").iter().map(|shard| shard["partitions"].as_u64().unwrap());
    assert_eq!(partitions.sum::<u64>(), 4_096);
    assert!(list(&plan, "limits").len() > 50);
}

#[test]
fn a_plan_with_more_cores_of_a_carrier_than_shards_is_refused() {
    let (_folder, path) = config(&GOOD.replace("binds = 3", "binds = 3\ncores = 3"));
    for command in ["plan", "check"] {
        let ended = with_config(command, &path, &[]);
        let all = ended.stdout + &ended.stderr;
        assert_eq!(ended.code, Some(4), "{command}: {all}");
        assert!(all.contains("carriers[0].cores: ") && all.contains("at most 2 fit"), "{all}");
    }
}

#[test]
fn the_example_configuration_is_good_but_for_its_secret_files() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/data/example.toml");
    let text = std::fs::read_to_string(example).unwrap();
    let text = text
        .replace("password_file = \"/etc/postrider/alpha.password\"", "password = \"x\"")
        .replace("secret_file = \"/etc/postrider/lookups.secret\"", "secret = \"x\"");
    let (_folder, path) = config(&text);
    let ended = with_config("check", &path, &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

// --- the command line ---

#[test]
fn every_command_explains_itself_and_refuses_what_it_does_not_know() {
    let commands: [&[&str]; 20] = [
        &["demo"],
        &["serve"],
        &["check"],
        &["plan"],
        &["store"],
        &["store", "inspect"],
        &["store", "verify"],
        &["store", "export"],
        &["store", "repair"],
        &["audit"],
        &["smsc"],
        &["load"],
        &["sink"],
        &["pdu"],
        &["pdu", "decode"],
        &["pdu", "encode"],
        &["text"],
        &["text", "parts"],
        &["receipt"],
        &["receipt", "parse"],
    ];
    let overview = said(0, &["--help"], "");
    for command in commands {
        assert!(overview.contains(&format!("  {} ", command[0])), "{overview}");
        let help = said(0, &[command, &["--help"]].concat(), "");
        assert!(help.contains("Usage: postrider"), "{command:?}: {help}");
        let ended = run(&[command, &["--no-such-flag"]].concat(), "");
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{command:?}: {ended:?}");
        assert!(ended.stderr.contains("--no-such-flag"), "{command:?}: {ended:?}");
    }
    assert_eq!(run(&["no-such-command"], "").code, Some(2));
    let version = said(0, &["--version"], "");
    assert_eq!(version, format!("postrider {}\n", env!("CARGO_PKG_VERSION")));
    let nothing = run_to_end(Command::new(env!("CARGO_BIN_EXE_postrider")), "", HUNG);
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
}
