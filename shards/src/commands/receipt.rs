//! `postrider receipt`: reads the texts of delivery receipts. On the main thread.

use postrider_smpp::json::receipt_to_json;
use serde_json::Value;

use super::lines::answer_stdin;

/// Tools for delivery receipts.
#[derive(Debug, clap::Args)]
pub struct ReceiptCommand {
    #[command(subcommand)]
    action: ReceiptAction,
}

#[derive(Debug, clap::Subcommand)]
enum ReceiptAction {
    /// Read the receipt in each line of standard input.
    ///
    /// A line is the text as the carrier sent it, or, when it holds line ends, the text as a JSON
    /// string.
    Parse {
        /// Answer with JSON.
        #[arg(long)]
        json: bool,
    },
}

/// The order in which people read a receipt.
const FIELDS: [&str; 9] =
    ["id", "state", "stat", "err", "submit_date", "done_date", "sub", "dlvrd", "text"];

/// Answers standard input.
#[must_use]
pub fn run(command: &ReceiptCommand) -> i32 {
    let ReceiptAction::Parse { json } = command.action;
    answer_stdin(json, |line| answer_line(line, json))
}

fn answer_line(line: &str, json: bool) -> Result<String, String> {
    // No receipt begins with a quotation mark.
    let quoted = line.starts_with('"').then(|| serde_json::from_str::<String>(line).ok()).flatten();
    let receipt = receipt_to_json(quoted.as_deref().unwrap_or(line));
    match receipt.get("error").and_then(Value::as_str) {
        Some(error) => Err(error.to_owned()),
        None if json => Ok(receipt.to_string()),
        None => Ok(readable(&receipt)),
    }
}

fn readable(receipt: &Value) -> String {
    let said =
        FIELDS.iter().filter_map(|name| Some(format!("{name}={}", receipt.get(*name)?.as_str()?)));
    said.collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use super::*;

    const LINE: &str = "id:0123456789 sub:001 dlvrd:001 submit date:0809011130 \
        done date:0809021131 stat:DELIVRD err:000 Text:Hello World";

    #[test]
    fn a_receipt_is_read_into_its_fields() {
        let read: Value = serde_json::from_str(&answer_line(LINE, true).unwrap()).unwrap();
        assert_eq!((&read["id"], &read["state"]), (&"0123456789".into(), &"DELIVERED".into()));
        assert_eq!(
            (&read["done_date"], &read["text"]),
            (&"0809021131".into(), &"Hello World".into())
        );
        let words = answer_line(LINE, false).unwrap();
        assert!(words.starts_with("id=0123456789  state=DELIVERED  stat=DELIVRD  err=000  "));
    }

    #[test]
    fn a_receipt_with_line_ends_comes_as_a_json_string() {
        let line = Value::from(LINE.replace("Hello World", "a\nb")).to_string();
        let read: Value = serde_json::from_str(&answer_line(&line, true).unwrap()).unwrap();
        assert_eq!(read["text"], "a\nb");
    }

    #[test]
    fn what_is_no_receipt_is_said_so() {
        for line in ["", "Hello", "\"Hello\"", "id"] {
            assert!(answer_line(line, true).is_err(), "{line}");
        }
    }
}
