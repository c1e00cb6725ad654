//! `postrider text`: what becomes of a text on its way to a handset. On the main thread.

use postrider_core::text::{ReferenceWidth, encode, forced_by};
use serde::Serialize;

use super::lines::answer_stdin;

/// Tools for message texts.
#[derive(Debug, clap::Args)]
pub struct TextCommand {
    #[command(subcommand)]
    action: TextAction,
}

#[derive(Debug, clap::Subcommand)]
enum TextAction {
    /// Say the alphabet and the parts of each text on standard input.
    ///
    /// Each line is a text; with --json each line is a JSON string and each answer a JSON object.
    Parts {
        /// Read JSON strings and answer with JSON.
        #[arg(long)]
        json: bool,
        /// Bits of the number that the parts of a message share.
        #[arg(long, value_enum, default_value = "8")]
        reference: Reference,
    },
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Reference {
    #[value(name = "8")]
    Eight,
    #[value(name = "16")]
    Sixteen,
}

/// What is said about one text.
#[derive(Serialize)]
struct Parts {
    encoding: &'static str,
    parts: usize,
    units: usize,
    part_units: Vec<usize>,
    forced_by: Vec<char>,
}

/// Answers standard input.
#[must_use]
pub fn run(command: &TextCommand) -> i32 {
    let TextAction::Parts { json, reference } = command.action;
    let width = match reference {
        Reference::Eight => ReferenceWidth::Eight,
        Reference::Sixteen => ReferenceWidth::Sixteen,
    };
    answer_stdin(json, |line| answer_line(line, json, width))
}

fn answer_line(line: &str, json: bool, width: ReferenceWidth) -> Result<String, String> {
    if !json {
        return Ok(readable(&parts(line, width)));
    }
    let text = serde_json::from_str::<String>(line)
        .map_err(|error| format!("the line is not a JSON string: {error}"))?;
    serde_json::to_string(&parts(&text, width)).map_err(|error| error.to_string())
}

fn parts(text: &str, width: ReferenceWidth) -> Parts {
    let encoded = encode(text);
    Parts {
        encoding: encoded.encoding().name(),
        parts: encoded.part_count(width),
        units: encoded.units(),
        part_units: encoded.part_units(width),
        forced_by: forced_by(text),
    }
}

fn readable(parts: &Parts) -> String {
    let sizes = parts.part_units.iter().map(usize::to_string).collect::<Vec<_>>().join(" + ");
    let mut text = format!("{}: {} units in {} parts", parts.encoding, parts.units, parts.parts);
    if parts.parts == 1 {
        text.truncate(text.len() - 1);
    } else {
        text.push_str(&format!(" ({sizes})"));
    }
    if !parts.forced_by.is_empty() {
        let forced = parts.forced_by.iter().map(|c| format!("{c:?}")).collect::<Vec<_>>();
        text.push_str(&format!(", forced by {}", forced.join(" ")));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn json(line: &str, width: ReferenceWidth) -> String {
        answer_line(line, true, width).unwrap_or_else(|error| format!("error: {error}"))
    }

    #[test]
    fn a_text_in_the_gsm_alphabet_is_split_by_septets() {
        let line = format!("\"{}\"", "a".repeat(190));
        assert_eq!(
            json(&line, ReferenceWidth::Eight),
            r#"{"encoding":"gsm7","parts":2,"units":190,"part_units":[153,37],"forced_by":[]}"#
        );
        assert_eq!(
            json(&line, ReferenceWidth::Sixteen),
            r#"{"encoding":"gsm7","parts":2,"units":190,"part_units":[152,38],"forced_by":[]}"#
        );
    }

    #[test]
    fn the_characters_that_force_sixteen_bits_are_named_once_each() {
        assert_eq!(
            json(r#""it’s “ok”’\n€""#, ReferenceWidth::Eight),
            r#"{"encoding":"ucs2","parts":1,"units":12,"part_units":[12],"forced_by":["’","“","”"]}"#
        );
    }

    #[test]
    fn what_is_no_json_string_is_said_so() {
        for line in ["", "hello", "17", "[\"a\"]", r#""\ud800""#, "\"a\" \"b\""] {
            let said = json(line, ReferenceWidth::Eight);
            assert!(said.starts_with("error: the line is not a JSON string: "), "{line}: {said}");
        }
    }

    #[test]
    fn people_are_answered_in_words() {
        let say = |line: &str| answer_line(line, false, ReferenceWidth::Eight).unwrap();
        assert_eq!(say("hello"), "gsm7: 5 units in 1 part");
        assert_eq!(say(&"ж".repeat(71)), "ucs2: 71 units in 2 parts (67 + 4), forced by 'ж'");
    }
}
