//! `postrider pdu`: shows SMPP PDUs in readable form, and makes them from it. On the main thread.

use std::fmt::Write as _;

use postrider_smpp::json::{from_hex, json_to_pdu, pdu_to_json, to_hex};
use postrider_smpp::layout::decode_fields;
use postrider_smpp::pdu::next_frame;
use postrider_smpp::status::CommandStatus;
use serde_json::Value;

use super::lines::answer_stdin;

/// Tools for SMPP PDUs.
#[derive(Debug, clap::Args)]
pub struct PduCommand {
    #[command(subcommand)]
    action: PduAction,
}

#[derive(Debug, clap::Subcommand)]
enum PduAction {
    /// Decode the PDU in each line of standard input: hexadecimal, spaces and colons allowed.
    Decode {
        /// Answer with JSON.
        #[arg(long)]
        json: bool,
    },
    /// Encode the PDU in each line of standard input: JSON as `decode --json` answers it, edited or not.
    Encode,
}

/// Answers standard input.
#[must_use]
pub fn run(command: &PduCommand) -> i32 {
    match command.action {
        PduAction::Decode { json } => answer_stdin(json, |line| answer_line(line, json)),
        PduAction::Encode => answer_stdin(false, encode_line),
    }
}

fn encode_line(line: &str) -> Result<String, String> {
    let value: Value = serde_json::from_str(line).map_err(|error| format!("no JSON: {error}"))?;
    json_to_pdu(&value).map(|octets| to_hex(&octets))
}

fn answer_line(line: &str, json: bool) -> Result<String, String> {
    let octets = from_hex(line)?;
    let pdu = pdu_to_json(&octets);
    match pdu.get("error").and_then(Value::as_str) {
        Some(error) => Err(error.to_owned()),
        None if json => Ok(pdu.to_string()),
        None => Ok(readable(&pdu, &octets)),
    }
}

/// One line for the header, then a field to a line, in the order of the wire: its value and what it means.
fn readable(pdu: &Value, octets: &[u8]) -> String {
    let number = |name: &str| pdu.get(name).and_then(Value::as_u64).unwrap_or_default();
    let status = CommandStatus(u32::try_from(number("command_status")).unwrap_or(u32::MAX));
    let mut text = format!(
        "{} sequence {} status 0x{:08X} {}",
        pdu.get("command").and_then(Value::as_str).unwrap_or_default(),
        number("sequence_number"),
        status.0,
        status.name().unwrap_or("unknown"),
    );
    for name in field_names(octets) {
        let part = |of: &str| pdu.get(of).and_then(|part| part.get(name));
        push_line(&mut text, name, part("fields"), part("symbols"));
    }
    let tlvs = pdu.get("tlvs").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for tlv in tlvs {
        let tag = tlv.get("tag").and_then(Value::as_str).unwrap_or_default();
        let name = tlv.get("name").and_then(Value::as_str).unwrap_or("unknown");
        push_line(&mut text, &format!("{tag} {name}"), tlv.get("value"), tlv.get("typed"));
    }
    text
}

/// The fields that the PDU has, in the order of the wire, which a JSON object does not keep.
fn field_names(octets: &[u8]) -> Vec<&'static str> {
    let mut names = Vec::new();
    if let Ok(Some((frame, _))) = next_frame(octets, u32::MAX) {
        let read = decode_fields(frame.header.command, frame.body, &mut |it| {
            names.push(it.field.name);
        });
        debug_assert!(read.is_ok(), "the JSON view has read the same octets");
    }
    names
}

fn push_line(text: &mut String, name: &str, value: Option<&Value>, means: Option<&Value>) {
    // Writing to a String cannot fail.
    write!(text, "\n  {name:<24} {}", value.unwrap_or(&Value::Null)).unwrap_or_default();
    if let Some(means) = means {
        write!(text, " {means}").unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    const RESPONSE: &str = "00000014 80000004 00000058 00000007 61 62 63 00";

    #[test]
    fn a_pdu_is_shown_as_json() {
        let read: Value = serde_json::from_str(&answer_line(RESPONSE, true).unwrap()).unwrap();
        assert_eq!(read["command"], "submit_sm_resp");
        assert_eq!((&read["command_status"], &read["sequence_number"]), (&88.into(), &7.into()));
        assert_eq!(read["fields"]["message_id"], "abc");
    }

    #[test]
    fn people_get_a_header_line_and_a_field_a_line() {
        let said = answer_line(RESPONSE, false).unwrap();
        assert_eq!(
            said.lines().next(),
            Some("submit_sm_resp sequence 7 status 0x00000058 ESME_RTHROTTLED")
        );
        assert_eq!(said.lines().nth(1), Some("  message_id               \"abc\""));
    }

    #[test]
    fn fields_come_in_the_order_of_the_wire_and_tlvs_after_them() {
        let bind = "00000028 00000009 00000000 00000001 6964 00 7077 00 00 34 01 02 37 00 \
            0210 0001 34 1501 0003 61 62 63";
        let said = answer_line(bind, false).unwrap();
        let names = said.lines().skip(1).map(|line| line.split_whitespace().next().unwrap());
        let order = [
            "system_id",
            "password",
            "system_type",
            "interface_version",
            "addr_ton",
            "addr_npi",
            "address_range",
            "0x0210",
            "0x1501",
        ];
        assert_eq!(names.collect::<Vec<_>>(), order, "{said}");
    }

    #[test]
    fn people_see_what_a_number_means() {
        let query = "00000021 80000003 00000000 00000001 3700 00 02 00 \
            0427 0001 08 0423 0003 030122";
        let said = answer_line(query, false).unwrap();
        let lines: Vec<String> = said
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        assert!(lines.contains(&"message_state 2 \"DELIVERED\"".to_owned()), "{said}");
        let error = "0x0423 network_error_code \"030122\" {\"code\":290,\"network\":\"gsm\"}";
        assert!(lines.contains(&error.to_owned()), "{said}");
    }

    #[test]
    fn an_edited_pdu_is_encoded() {
        let shown = answer_line(RESPONSE, true).unwrap();
        let again = encode_line(&shown).unwrap();
        assert_eq!(again, RESPONSE.replace(' ', ""));
        let edited = shown.replace("\"abc\"", "\"abcd\"");
        assert_eq!(
            encode_line(&edited).unwrap(),
            "0000001580000004000000580000000761626364".to_owned() + "00"
        );
        assert!(encode_line("{").unwrap_err().starts_with("no JSON: "));
        let lost = edited.replace("\"sequence_number\":7", "\"sequence_number\":-7");
        assert_eq!(encode_line(&lost).unwrap_err(), "sequence_number: -7 is no number of 32 bits");
    }

    #[test]
    fn what_is_no_pdu_is_said_so() {
        for (line, part) in [
            ("", "less than a header"),
            ("0", "odd number"),
            ("00zz", "column 3: 'z' is no hexadecimal"),
            ("0000001080000015000000000000000100", "follow the PDU"),
        ] {
            let error = answer_line(line, true).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
        assert!(answer_line("00:00:00:10 80000015 00000000 00000001", true).is_ok());
    }
}
