//! `check` and `plan` over real files. Tests, lives nowhere.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::path::Path;

use postrider_smpp::status::CommandStatus;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::commands::plan::{self, PlanArgs};

const GOOD: &str = r#"
[server]
data_dir = "data"
shards = 2

[[carriers]]
name = "alpha"
address = "127.0.0.1:2775"
system_id = "esme"
password_file = "secrets/alpha"
binds = 2

[[routes]]
prefix = "44"
carriers = ["alpha"]
"#;

/// A folder with a configuration and the secret that it names.
fn folder(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("secrets")).unwrap();
    std::fs::write(folder.path().join("secrets/alpha"), "s3cret\n").unwrap();
    let config = folder.path().join("postrider.toml");
    std::fs::write(&config, text).unwrap();
    (folder, config)
}

fn check(config: &Path) -> (i32, String) {
    let mut output = Vec::new();
    let args = CheckArgs { config: config.to_owned(), cores: Some(2) };
    let status = run_on(&args, &mut output);
    (status, String::from_utf8(output).unwrap())
}

fn plan(config: &Path, json: bool) -> (i32, String) {
    let mut output = Vec::new();
    let args = PlanArgs { config: config.to_owned(), cores: Some(2), json, ..PlanArgs::default() };
    let status = plan::run_on(&args, &mut output);
    (status, String::from_utf8(output).unwrap())
}

#[test]
fn a_good_configuration_is_summed_up() {
    let (_folder, config) = folder(GOOD);
    assert_eq!(check(&config), (0, "ok: 2 shards, 0 customers, 1 carrier, 1 route\n".into()));
}

#[test]
fn what_differs_from_the_defaults_and_what_deserves_a_look_is_said() {
    let text = GOOD.replace("binds = 2", "binds = 2\nbind = \"pair\"") + ACCOUNT;
    let (_folder, config) = folder(&text);
    let (status, said) = check(&config);
    let expected = "ok: 2 shards, 1 customer, 1 carrier, 1 route\n\
                    port 127.0.0.1:2775: customers over SMPP, without TLS\n\
                    carrier alpha\n  a bind is a transmitter and a receiver\n\
                    note: customers[0].smpp.password: it has 9 characters, and SMPP has room for 8; \
                    make sure that the other side takes it whole\n";
    assert_eq!((status, said.as_str()), (0, expected));
    let (status, said) = plan(&config, false);
    assert!(status == 0 && said.contains("\ncustomer  ") && said.contains("\ncarrier alpha\n"));
}

const ACCOUNT: &str = r#"
[smpp]
listen = "127.0.0.1:2775"

[[customers]]
name = "acme"

[customers.smpp]
system_id = "acme"
password = "secret008"
"#;

/// The codec and the configuration know the same names.
#[test]
fn every_status_can_be_named_in_reactions() {
    let mut named = 0;
    for status in 1..=0x4FF {
        let Some(name) = CommandStatus(status).name() else { continue };
        let text = format!(
            "{GOOD}\n[[carriers]]\nname = \"b\"\naddress = \"h:1\"\n\
                            system_id = \"x\"\n[carriers.reactions]\n{name} = \"reject\""
        );
        let config = Config::parse(&text).unwrap();
        assert!(config.carriers[1].profile.reactions.contains_key(&status), "{name}");
        named += 1;
    }
    assert!(named > 60, "{named}");
}

#[test]
fn secrets_stand_beside_the_configuration_wherever_the_program_runs() {
    let (_folder, config) = folder(GOOD);
    assert_eq!(load(&config).unwrap().carriers[0].password.expose(), "s3cret");
}

#[test]
fn every_problem_is_named_with_its_key_and_the_status_is_4() {
    let bad = GOOD.replace("binds = 2", "binds = 2\nwindow = 0").replace("\"44\"", "\"4x\"");
    let (_folder, config) = folder(&bad);
    let (status, said) = check(&config);
    assert_eq!((status, said.lines().count()), (4, 2), "{said}");
    assert!(said.lines().all(|line| line.contains("postrider.toml:")));
    assert!(said.contains("carriers[0].window: ") && said.contains("routes[0].prefix: "), "{said}");
    assert_eq!(plan(&config, false), (4, String::new()));
}

#[test]
fn a_secret_that_is_missing_and_a_plan_that_cannot_be_are_problems_too() {
    let (folder_, config) = folder(GOOD);
    std::fs::remove_file(folder_.path().join("secrets/alpha")).unwrap();
    let (status, said) = check(&config);
    assert!(status == 4 && said.contains("carriers[0].password_file: "), "{said}");
    let (_folder, config) = folder(&GOOD.replace("binds = 2", "binds = 3\ncores = 3"));
    let (status, said) = check(&config);
    assert!(status == 4 && said.contains("carriers[0].cores: "), "{said}");
}

#[test]
fn an_unknown_key_is_told_by_line_and_a_missing_file_is_a_failure() {
    let (_folder, config) = folder(&GOOD.replace("binds", "bind_s"));
    let (status, said) = check(&config);
    assert!(status == 4 && said.contains("line 11") && said.contains("did you mean"), "{said}");
    assert_eq!(check(Path::new("/nonexistent/postrider.toml")), (1, String::new()));
}

#[test]
fn the_plan_is_printed_for_people_and_for_programs() {
    let (_folder, config) = folder(GOOD);
    let (status, said) = plan(&config, false);
    assert!(status == 0 && said.contains("alpha") && said.contains("2 shards"), "{said}");
    let (status, said) = plan(&config, true);
    let read: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((status, &read["shard_count"]), (0, &2.into()));
}

#[test]
fn a_certificate_that_cannot_be_used_is_found_before_the_start() {
    let text = GOOD.replace("[[routes]]", "[carriers.tls]\nca_file = \"ca.pem\"\n[[routes]]");
    let (folder, config) = folder(&text);
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(folder.path().join("ca.pem"), no_certificate).unwrap();
    let (status, said) = check(&config);
    assert_eq!(status, exit::CONFIG_INVALID);
    assert!(said.contains("TLS of the carrier alpha"), "{said}");
}

#[test]
fn a_parameter_that_no_message_could_carry_is_found_before_the_start() {
    let with = |tlv: &str| {
        let text = GOOD.replace("[[routes]]", &format!("[[carriers.tlvs]]\n{tlv}\n[[routes]]"));
        let (_folder, config) = folder(&text);
        check(&config)
    };
    // A vendor's, one of the right form, and one of another PDU's.
    for good in [
        "tag = 0x1400\ntext = \"1\"",
        "tag = 0x0201\nint = 3\nwidth = 1",
        "tag = 0x0008\nhex = \"4000\"",
    ] {
        let (status, said) = with(good);
        assert_eq!(status, exit::OK, "{good}: {said}");
    }
    for (bad, what) in [
        (
            "tag = 0x0201\nint = 3\nwidth = 2",
            "carriers[0].tlvs[0]: privacy_indicator has a wrong length",
        ),
        ("tag = 0x0030\nhex = \"7f\"", "ms_msg_wait_facilities has a malformed value"),
        ("tag = 0x060B\nhex = \"80\"", "billing_identification is not in the session's version"),
        ("tag = 0x020A\nint = 80\nwidth = 2", "a port cannot stand beside the user data headers"),
    ] {
        let (status, said) = with(bad);
        assert!(status == exit::CONFIG_INVALID && said.contains(what), "{bad}: {said}");
    }
}

/// The example of a load: 300 parts a second through two binds of ten and answers after 50 ms.
#[test]
fn a_plan_says_what_it_carries_once_it_is_told_of_a_load() {
    let (folder, config) = folder(&GOOD.replace("binds = 2", "binds = 2\nwindow = 10"));
    let run = |args: PlanArgs| {
        let mut output = Vec::new();
        let status =
            plan::run_on(&PlanArgs { config: config.clone(), cores: Some(2), ..args }, &mut output);
        (status, String::from_utf8(output).unwrap())
    };
    let (_, silent) = run(PlanArgs { json: true, ..PlanArgs::default() });
    assert!(!silent.contains("forecast"), "nothing was asked: {silent}");
    let asked = |rtt: &str, share: &str| PlanArgs {
        messages_per_second: Some(150.0),
        parts: Some(2.0),
        rtt: vec![rtt.to_owned()],
        share: vec![share.to_owned()],
        json: true,
        ..PlanArgs::default()
    };
    for rtt in ["50", "alpha=50"] {
        let (status, said) = run(asked(rtt, "alpha=100"));
        let said: Value = serde_json::from_str(&said).unwrap();
        let carrier = &said["forecast"]["carriers"][0];
        assert_eq!((status, &carrier["by_windows"]), (exit::OK, &Value::from(400.0)), "{said}");
        assert_eq!((&carrier["fits"], &carrier["binds_needed"]), (&true.into(), &2.into()));
        assert_eq!(said["forecast"]["most_messages_per_second"], 200.0);
    }
    let (status, said) = run(PlanArgs { json: false, ..asked("50", "alpha=100") });
    assert!(status == exit::OK && said.contains("windows of carrier alpha"), "{said}");
    for (rtt, share) in [("0", "alpha=1"), ("x=", "alpha=1"), ("50", "alpha"), ("50", "beta=1")] {
        assert_eq!(run(asked(rtt, share)).0, exit::FAILED, "{rtt} {share}");
    }
    let measured = folder.path().join("measured.json");
    let with = || PlanArgs { calibration: Some(measured.clone()), ..PlanArgs::default() };
    assert_eq!(run(with()).0, exit::FAILED, "there is no such file");
    let made = postrider_core::config::Calibration {
        format: 1,
        shards: 2,
        messages: 100,
        parts: 200,
        shard_cpu_us: 10_000,
        log_bytes: 100_000,
        ..Default::default()
    };
    std::fs::write(&measured, made.to_text()).unwrap();
    let (status, said) = run(PlanArgs { json: true, ..with() });
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((status, &said["forecast"]["parts_per_message"]), (exit::OK, &Value::from(2.0)));
    assert_eq!(said["forecast"]["binds_first"]["bound"], "cores", "{said}");
}
