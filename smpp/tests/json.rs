//! PDUs as JSON and back: what other programs wrote, what is made here of every command, and what was edited
//! in between. Test code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod common;

use common::{generated, list, load, text, unhex};
use postrider_smpp::json::{from_hex, json_to_pdu, pdu_to_json, to_hex};
use serde_json::{Value, json};

/// Every PDU of the vector files, the recorded sessions included.
fn vectors() -> Vec<Vec<u8>> {
    let sessions = load("sessions.json");
    let recorded = list(&sessions, "sessions").iter().flat_map(|session| {
        list(session, "transcript").iter().filter_map(|step| step["hex"].as_str().map(unhex))
    });
    generated().iter().map(|vector| unhex(text(vector, "hex"))).chain(recorded).collect()
}

/// The PDU from its JSON alone, without the octets that the JSON holds too.
fn from_values(shown: &Value) -> Result<Vec<u8>, String> {
    let mut bare = shown.clone();
    bare.as_object_mut().unwrap().remove("hex");
    for tlv in bare["tlvs"].as_array_mut().unwrap() {
        tlv.as_object_mut().unwrap().remove("hex");
    }
    json_to_pdu(&bare)
}

#[test]
fn every_pdu_of_others_is_made_again_from_its_json_octet_for_octet() {
    let vectors = vectors();
    assert!(vectors.len() > 200, "{}", vectors.len());
    for octets in vectors {
        let shown = pdu_to_json(&octets);
        assert_eq!(shown["exact"], true, "{shown}");
        assert_eq!(json_to_pdu(&shown).as_ref(), Ok(&octets), "{shown}");
        assert_eq!(from_values(&shown).as_ref(), Ok(&octets), "{shown}");
    }
}

#[test]
fn numbers_alone_and_meanings_alone_make_the_same_pdu() {
    for octets in vectors() {
        let shown = pdu_to_json(&octets);
        let mut numbers = shown.clone();
        for member in ["hex", "exact", "symbols", "command", "status"] {
            numbers.as_object_mut().unwrap().remove(member);
        }
        for tlv in numbers["tlvs"].as_array_mut().unwrap() {
            let tlv = tlv.as_object_mut().unwrap();
            tlv.retain(|member, _| member == "tag" || member == "value");
        }
        assert_eq!(json_to_pdu(&numbers).as_ref(), Ok(&octets), "{numbers}");

        let mut meanings = shown.clone();
        for member in ["hex", "exact", "command_id"] {
            meanings.as_object_mut().unwrap().remove(member);
        }
        if !meanings["status"].is_null() {
            meanings.as_object_mut().unwrap().remove("command_status");
        }
        let symbols = meanings["symbols"].as_object().unwrap().clone();
        let fields = meanings["fields"].as_object_mut().unwrap();
        fields.retain(|name, value| value.is_array() || !symbols.contains_key(name));
        fields.retain(|name, _| {
            !matches!(name.as_str(), "sm_length" | "number_of_dests" | "no_unsuccess")
        });
        for tlv in meanings["tlvs"].as_array_mut().unwrap() {
            let tlv = tlv.as_object_mut().unwrap();
            let (known, typed) = (!tlv["name"].is_null(), tlv.contains_key("typed"));
            tlv.retain(|member, _| match member.as_str() {
                "tag" => !known,
                "value" => !typed,
                "hex" => false,
                _ => true,
            });
        }
        assert_eq!(json_to_pdu(&meanings).as_ref(), Ok(&octets), "{meanings}");
    }
}

#[test]
fn what_the_wild_sends_is_made_again_unless_it_says_that_it_cannot() {
    let file = load("malformed.json");
    let mut exact = 0;
    for vector in list(&file, "vectors") {
        let octets = unhex(text(vector, "hex"));
        let shown = pdu_to_json(&octets);
        if shown.get("error").is_some() {
            assert!(json_to_pdu(&shown).is_err());
            continue;
        }
        let again = json_to_pdu(&shown);
        assert_eq!(shown["exact"], again.as_ref() == Ok(&octets), "{shown}");
        exact += usize::from(shown["exact"] == true);
    }
    assert!(exact > 15, "{exact}");
    let stray = unhex("00000012800000150000000000000001 0000".replace(' ', "").as_str());
    assert_eq!(pdu_to_json(&stray)["exact"], false, "stray octets have no place");
}

/// A deliver_sm with a receipt, typed and untyped parameters.
fn receipt() -> Value {
    let tlvs = "001e0003373700 0427000102 0423000303012a 14000002abcd 04280001 28";
    let body = "00 0101 3434373700 0500 41434d4500 44 00 00 00 00 11 00 03 00 02 6869";
    let hex = format!("00000000 00000005 00000000 00000009 {body} {tlvs}");
    let mut octets = from_hex(&hex).unwrap();
    octets[3] = octets.len() as u8;
    pdu_to_json(&octets)
}

#[test]
fn a_pdu_is_shown_with_numbers_and_what_they_mean() {
    let shown = receipt();
    assert_eq!(
        (&shown["command"], &shown["command_id"]),
        (&json!("deliver_sm"), &json!("0x00000005"))
    );
    assert_eq!((&shown["command_status"], &shown["status"]), (&json!(0), &json!("ESME_ROK")));
    assert_eq!(shown["fields"]["esm_class"], 0x44);
    assert_eq!(
        shown["symbols"],
        json!({
            "source_addr_ton": "international",
            "source_addr_npi": "e164",
            "dest_addr_ton": "alphanumeric",
            "dest_addr_npi": "unknown",
            "esm_class": {
                "mode": "default",
                "type": "mc_delivery_receipt",
                "udhi": true,
                "reply_path": false,
            },
            "registered_delivery": {
                "receipt": "always",
                "sme_acknowledgement": "none",
                "intermediate_notification": true,
            },
            "replace_if_present_flag": "keep",
        })
    );
    let tlv = |tag, name, value: Value, hex| {
        json!({
            "tag": tag, "name": name, "value": value, "hex": hex,
        })
    };
    let typed = |mut tlv: Value, typed: Value| {
        tlv["typed"] = typed;
        tlv
    };
    assert_eq!(
        shown["tlvs"],
        json!([
            tlv("0x001E", json!("receipted_message_id"), json!("77"), "373700"),
            typed(tlv("0x0427", json!("message_state"), json!(2), "02"), json!("DELIVERED")),
            typed(
                tlv("0x0423", json!("network_error_code"), json!("03012a"), "03012a"),
                json!({ "network": "gsm", "code": 298 }),
            ),
            tlv("0x1400", Value::Null, json!("abcd"), "abcd"),
            typed(
                tlv("0x0428", json!("congestion_state"), json!(40), "28"),
                json!({ "percent": 40, "load": "medium" }),
            ),
        ])
    );
}

/// The PDU after `edit`, shown again.
fn edited(edit: impl FnOnce(&mut Value)) -> Result<Value, String> {
    let mut shown = receipt();
    edit(&mut shown);
    json_to_pdu(&shown).map(|octets| pdu_to_json(&octets))
}

#[test]
fn either_form_of_a_value_may_be_edited() {
    let number = edited(|pdu| pdu["fields"]["source_addr_ton"] = json!(5)).unwrap();
    assert_eq!(number["symbols"]["source_addr_ton"], "alphanumeric");
    let symbol = edited(|pdu| pdu["symbols"]["source_addr_ton"] = json!("national")).unwrap();
    assert_eq!(symbol["fields"]["source_addr_ton"], 2);
    let in_place = edited(|pdu| pdu["fields"]["source_addr_ton"] = json!("subscriber")).unwrap();
    assert_eq!(in_place["fields"]["source_addr_ton"], 4);
    let hex = edited(|pdu| pdu["fields"]["esm_class"] = json!("0x80")).unwrap();
    assert_eq!(hex["symbols"]["esm_class"]["reply_path"], true);
    let part = edited(|pdu| pdu["symbols"]["esm_class"]["udhi"] = json!(false)).unwrap();
    assert_eq!(part["fields"]["esm_class"], 4);
    let asked = |pdu: &mut Value| {
        pdu["symbols"]["registered_delivery"]["sme_acknowledgement"] = json!("both");
    };
    assert_eq!(edited(asked).unwrap()["fields"]["registered_delivery"], 0x1D);
    let both = edited(|pdu| {
        pdu["fields"]["dest_addr_ton"] = json!(1);
        pdu["symbols"]["dest_addr_ton"] = json!("international");
    });
    assert_eq!(both.unwrap()["fields"]["dest_addr_ton"], 1);

    let refused = |pdu: &mut Value| pdu["status"] = json!("ESME_RTHROTTLED");
    assert_eq!(edited(refused).unwrap()["command_status"], 0x58);
    let vendors = edited(|pdu| pdu["command_status"] = json!(0x457)).unwrap();
    assert_eq!((&vendors["command_status"], &vendors["status"]), (&json!(0x457), &Value::Null));
    let command = edited(|pdu| pdu["command_id"] = json!("0x00000004")).unwrap();
    assert_eq!(command["command"], "submit_sm");
    assert_eq!(
        edited(|pdu| pdu["command"] = json!("submit_sm")).unwrap()["command_id"],
        "0x00000004"
    );

    // A length follows what it counts.
    let longer = edited(|pdu| pdu["fields"]["short_message"] = json!("68656c6c6f")).unwrap();
    assert_eq!(longer["fields"]["sm_length"], 5);
}

#[test]
fn every_form_of_a_parameter_may_be_edited() {
    let state = |edit: fn(&mut Value)| {
        let shown = edited(|pdu| edit(&mut pdu["tlvs"][1])).unwrap();
        assert_eq!(list(&shown, "tlvs").len(), 5);
        shown["tlvs"][1].clone()
    };
    assert_eq!(state(|tlv| tlv["hex"] = json!("05"))["typed"], "UNDELIVERABLE");
    assert_eq!(state(|tlv| tlv["value"] = json!(8))["typed"], "REJECTED");
    assert_eq!(state(|tlv| tlv["typed"] = json!("EXPIRED"))["value"], 3);
    assert_eq!(state(|tlv| tlv["tag"] = json!("0x1234"))["name"], Value::Null);
    assert_eq!(state(|tlv| tlv["name"] = json!("display_time"))["tag"], "0x1201");
    let error = edited(|pdu| pdu["tlvs"][2]["typed"]["code"] = json!(7)).unwrap();
    assert_eq!(error["tlvs"][2]["hex"], "030007");
    let id = edited(|pdu| pdu["tlvs"][0]["value"] = json!("abc")).unwrap();
    assert_eq!(id["tlvs"][0]["hex"], "61626300");

    let removed = edited(|pdu| drop(pdu["tlvs"].as_array_mut().unwrap().remove(0))).unwrap();
    assert_eq!((list(&removed, "tlvs").len(), &removed["tlvs"][0]["value"]), (4, &json!(2)));
    let added = edited(|pdu| {
        let own = json!({ "tag": 0x1401, "value": "00ff" });
        let known = json!({ "name": "language_indicator", "typed": "german" });
        let tlvs = pdu["tlvs"].as_array_mut().unwrap();
        tlvs.insert(0, own);
        tlvs.push(known);
        tlvs[2]["value"] = json!(5);
    })
    .unwrap();
    let values: Vec<&Value> = list(&added, "tlvs").iter().map(|tlv| &tlv["value"]).collect();
    let expected =
        [json!("00ff"), json!("77"), json!(5), json!("03012a"), json!("abcd"), json!(40), json!(4)];
    assert_eq!(values, expected.iter().collect::<Vec<_>>());
}

#[test]
fn lists_may_be_edited() {
    let vectors = generated();
    let octets = |id| unhex(text(vectors.iter().find(|v| text(v, "id") == id).unwrap(), "hex"));
    let mut multi = pdu_to_json(&octets("node/submit_multi"));
    assert_eq!(multi["symbols"]["dest_address"][1], json!({ "dest_flag": "distribution_list" }));
    multi["fields"]["dest_address"].as_array_mut().unwrap().remove(0);
    multi["symbols"]["dest_address"].as_array_mut().unwrap().remove(0);
    let fewer = pdu_to_json(&json_to_pdu(&multi).unwrap());
    assert_eq!(fewer["fields"]["number_of_dests"], 2);
    assert_eq!(fewer["fields"]["dest_address"][0], json!({ "dest_flag": 2, "dl_name": "friends" }));

    let mut response = pdu_to_json(&octets("node/submit_multi_resp"));
    let status = &mut response["symbols"]["unsuccess_sme"][0]["error_status_code"];
    assert_eq!(*status, "ESME_RINVDSTADR");
    *status = json!("ESME_RSYSERR");
    let other = pdu_to_json(&json_to_pdu(&response).unwrap());
    assert_eq!(other["fields"]["unsuccess_sme"][0]["error_status_code"], "0x00000008");
}

#[test]
fn an_error_names_the_field() {
    type Edit = fn(&mut Value);
    let cases: [(Edit, &str); 27] = [
        (|pdu| pdu["fields"]["esm_class"] = json!(256), "esm_class: 256 exceeds 255"),
        (
            |pdu| pdu["fields"]["source_addr_npi"] = json!("e165"),
            "source_addr_npi: \"e165\" is none",
        ),
        (
            |pdu| pdu["symbols"]["esm_class"]["type"] = json!("receipt"),
            "esm_class: type: \"receipt\"",
        ),
        (|pdu| pdu["symbols"]["esm_class"]["type"] = json!(3), "esm_class: type: 3"),
        (|pdu| pdu["symbols"]["esm_class"]["udh"] = json!(true), "esm_class: \"udh\" has no place"),
        (
            |pdu| {
                pdu["fields"]["esm_class"] = json!(0);
                pdu["symbols"]["esm_class"]["udhi"] = json!(false);
            },
            "esm_class: 0 and {",
        ),
        (
            |pdu| drop(pdu["fields"].as_object_mut().unwrap().remove("data_coding")),
            "data_coding: missing",
        ),
        (|pdu| pdu["fields"]["sm_length"] = json!(3), "sm_length: 3, but there are 2"),
        (|pdu| pdu["fields"]["short_message"] = json!("6"), "short_message: an odd number"),
        (
            |pdu| pdu["fields"]["source_addr"] = json!("\u{20AC}"),
            "source_addr: '\u{20AC}' is no octet",
        ),
        (|pdu| pdu["fields"]["source_addr"] = json!("a\0b"), "source_addr contains a NUL"),
        (|pdu| pdu["fields"]["source_addr"] = json!("x".repeat(21)), "source_addr exceeds 21"),
        (
            |pdu| pdu["fields"]["validity_period"] = json!("soon"),
            "validity_period is not an SMPP time",
        ),
        (
            |pdu| pdu["fields"]["data_codign"] = json!(8),
            "fields.data_codign: there is no such member",
        ),
        (|pdu| pdu["sequence"] = json!(8), "sequence: there is no such member"),
        (|pdu| pdu["sequence_number"] = json!("8"), "sequence_number: \"8\" is no number"),
        (|pdu| pdu["status"] = json!("ESME_OK"), "command_status: there is no status \"ESME_OK\""),
        (|pdu| pdu["command"] = json!("submit"), "command: there is no \"submit\""),
        (|pdu| pdu["command_id"] = json!(77), "command_id: 0x0000004d is unknown"),
        (|pdu| pdu["hex"] = json!("00"), "hex: "),
        (|pdu| pdu["tlvs"] = json!({}), "tlvs: not a list"),
        (|pdu| pdu["tlvs"][1]["typed"] = json!("DELIVRD"), "tlvs[1].value: \"DELIVRD\" is none of"),
        (|pdu| pdu["tlvs"][1]["value"] = json!(256), "tlvs[1].value: 256 does not fit 1 octet"),
        (|pdu| pdu["tlvs"][1]["name"] = json!("state"), "tlvs[1].tag: there is no \"state\""),
        (|pdu| pdu["tlvs"][1]["length"] = json!(1), "tlvs[1].length: there is no such member"),
        (
            |pdu| pdu["tlvs"][2]["typed"]["code"] = json!(65536),
            "tlvs[2].value: code: 65536 exceeds",
        ),
        (
            |pdu| pdu["tlvs"][4]["typed"]["load"] = json!("high"),
            "tlvs[4].value: load: 40 percent is",
        ),
    ];
    for (edit, wanted) in cases {
        let error = edited(edit).expect_err(wanted);
        assert!(error.starts_with(wanted), "{wanted}: {error}");
    }
    for value in [json!([]), json!(7), json!({})] {
        assert!(json_to_pdu(&value).is_err());
    }
}

#[test]
fn hexadecimal_may_have_spaces_and_colons() {
    assert_eq!(from_hex("00:fF 7\t0"), Ok(vec![0, 0xFF, 0x70]));
    assert_eq!(to_hex(&[0, 0xFF, 0x70]), "00ff70");
    assert_eq!(from_hex("0x"), Err("column 2: 'x' is no hexadecimal".to_owned()));
}
