//! `postrider text`: what becomes of a text on its way to a handset. On the main thread.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use postrider_core::config::{AlphabetConfig, Concatenation, Word};
use postrider_core::text::{
    DefaultAlphabet, Encoding, NationalLanguage, Wire, WirePart, encode, forced_by,
};
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
    Parts(PartsArgs),
}

#[derive(Debug, clap::Args)]
struct PartsArgs {
    /// Read JSON strings and answer with JSON.
    #[arg(long)]
    json: bool,
    /// How the carrier wants the parts of a long message to be tied together.
    #[arg(long, default_value = "udh8", value_parser = word::<Concatenation>())]
    concatenation: Concatenation,
    /// Bits of the number that the parts share: 8 is udh8, 16 is udh16.
    #[arg(long, hide = true, conflicts_with = "concatenation", value_parser = ["8", "16"])]
    reference: Option<String>,
    /// The alphabet that the carrier means by its default.
    #[arg(long, default_value = "gsm", value_parser = word::<DefaultAlphabet>())]
    default_alphabet: DefaultAlphabet,
    /// Languages whose national tables the carrier takes.
    #[arg(long, value_delimiter = ',', value_parser = word::<NationalLanguage>())]
    national: Vec<NationalLanguage>,
    /// The carrier takes septets packed.
    #[arg(long)]
    packed: bool,
    /// Show the octets of each part too.
    #[arg(long)]
    octets: bool,
}

/// A choice by the words that the configuration has for it.
fn word<T: Word + Send + Sync>() -> impl TypedValueParser<Value = T> {
    let words = PossibleValuesParser::new(T::all().map(|(word, _)| word));
    words.map(|word| T::find(&word).unwrap_or(T::FIRST.1))
}

/// What is said about one text.
#[derive(Serialize)]
struct Parts {
    encoding: &'static str,
    parts: usize,
    units: usize,
    part_units: Vec<usize>,
    forced_by: Vec<char>,
    /// Said where the text takes more parts, or a longer payload, than can be sent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    too_long: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    octets: Vec<PartOctets>,
}

/// One part as it stands in the PDU; octets in hexadecimal.
#[derive(Serialize)]
struct PartOctets {
    data_coding: u8,
    #[serde(skip_serializing_if = "String::is_empty")]
    udh: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    sar: Option<[u8; 2]>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    message_payload: bool,
    octets: String,
}

impl PartOctets {
    fn of(part: &WirePart<'_>) -> Self {
        PartOctets {
            data_coding: part.data_coding,
            udh: hex(&part.udh),
            sar: part.sar.map(|sar| [sar.index, sar.total]),
            message_payload: part.payload,
            octets: hex(&part.octets),
        }
    }
}

/// Answers standard input.
#[must_use]
pub fn run(command: &TextCommand) -> i32 {
    let TextAction::Parts(args) = &command.action;
    answer_stdin(args.json, |line| answer_line(line, args))
}

fn answer_line(line: &str, args: &PartsArgs) -> Result<String, String> {
    if !args.json {
        return Ok(readable(&parts(line, args)));
    }
    let text = serde_json::from_str::<String>(line)
        .map_err(|error| format!("the line is not a JSON string: {error}"))?;
    serde_json::to_string(&parts(&text, args)).map_err(|error| error.to_string())
}

fn parts(text: &str, args: &PartsArgs) -> Parts {
    let concatenation = match args.reference.as_deref() {
        Some("16") => Concatenation::Udh16,
        _ => args.concatenation,
    };
    let config = AlphabetConfig {
        default: args.default_alphabet,
        packed: args.packed,
        national: args.national.clone(),
        ..AlphabetConfig::default()
    };
    let Some(wire) = Wire::new(text, &config, concatenation) else {
        let encoded = encode(text);
        let part_units = encoded.part_units(concatenation.width());
        return Parts { too_long: true, ..said(text, args, encoded.encoding(), part_units) };
    };
    let octets = if args.octets {
        wire.parts(0).map(|part| PartOctets::of(&part)).collect()
    } else {
        Vec::new()
    };
    Parts { octets, ..said(text, args, wire.encoding(), wire.part_units()) }
}

fn said(text: &str, args: &PartsArgs, encoding: Encoding, part_units: Vec<usize>) -> Parts {
    Parts {
        encoding: encoding.name(),
        parts: part_units.len(),
        units: part_units.iter().sum(),
        part_units,
        forced_by: match encoding {
            Encoding::Gsm7 => Vec::new(),
            Encoding::Ucs2 => forced_by(text, args.default_alphabet),
        },
        too_long: false,
        octets: Vec::new(),
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
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
    if parts.too_long {
        text.push_str(", too long to be sent");
    }
    for part in &parts.octets {
        text.push_str(&format!("\n  data_coding {}", part.data_coding));
        if !part.udh.is_empty() {
            text.push_str(&format!(", header {}", part.udh));
        }
        if let Some([number, total]) = part.sar {
            text.push_str(&format!(", sar {number} of {total}"));
        }
        if part.message_payload {
            text.push_str(", message_payload");
        }
        text.push_str(&format!(": {}", part.octets));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        parts: PartsArgs,
    }

    fn args(options: &str) -> Result<PartsArgs, clap::Error> {
        let words = std::iter::once("parts").chain(options.split_whitespace());
        Line::try_parse_from(words).map(|line| line.parts)
    }

    fn say(options: &str, line: &str) -> String {
        answer_line(line, &args(options).unwrap()).unwrap_or_else(|error| format!("error: {error}"))
    }

    #[test]
    fn a_text_in_the_gsm_alphabet_is_split_by_septets() {
        let line = format!("\"{}\"", "a".repeat(190));
        let eight =
            r#"{"encoding":"gsm7","parts":2,"units":190,"part_units":[153,37],"forced_by":[]}"#;
        let sixteen =
            r#"{"encoding":"gsm7","parts":2,"units":190,"part_units":[152,38],"forced_by":[]}"#;
        for options in ["", "--reference 8", "--concatenation sar", "--default-alphabet latin1"] {
            assert_eq!(say(&format!("--json {options}"), &line), eight, "{options}");
        }
        for options in ["--reference 16", "--concatenation udh16"] {
            assert_eq!(say(&format!("--json {options}"), &line), sixteen, "{options}");
        }
    }

    #[test]
    fn the_characters_that_force_sixteen_bits_are_named_once_each() {
        assert_eq!(
            say("--json", r#""it’s “ok”’\n€""#),
            r#"{"encoding":"ucs2","parts":1,"units":12,"part_units":[12],"forced_by":["’","“","”"]}"#
        );
        assert_eq!(
            say("--default-alphabet ascii", "£5 for Zoë"),
            "ucs2: 10 units in 1 part, forced by '£' 'ë'"
        );
    }

    #[test]
    fn what_is_no_json_string_is_said_so() {
        for line in ["", "hello", "17", "[\"a\"]", r#""\ud800""#, "\"a\" \"b\""] {
            let said = say("--json", line);
            assert!(said.starts_with("error: the line is not a JSON string: "), "{line}: {said}");
        }
    }

    #[test]
    fn people_are_answered_in_words() {
        assert_eq!(say("", "hello"), "gsm7: 5 units in 1 part");
        assert_eq!(say("", &"ж".repeat(71)), "ucs2: 71 units in 2 parts (67 + 4), forced by 'ж'");
        let longest = say("", &"a".repeat(255 * 153 + 1));
        assert!(longest.starts_with("gsm7: 39016 units in 256 parts (153 + "), "{longest}");
        assert!(longest.ends_with(" + 1), too long to be sent"), "{longest}");
    }

    #[test]
    fn the_octets_are_those_of_the_carrier() {
        assert_eq!(
            say("--octets --national turkish", "ş"),
            "gsm7: 2 units in 1 part\n  data_coding 0, header 03240101: 1b73"
        );
        assert_eq!(
            say("--octets --default-alphabet latin1", "£{"),
            "gsm7: 3 units in 1 part\n  data_coding 0: a37b"
        );
        assert_eq!(
            say("--octets --packed", "hellohello"),
            "gsm7: 10 units in 1 part\n  data_coding 0: e8329bfd4697d9ec37"
        );
        let text = "@".repeat(161);
        let two = |first: &str, second: &str| {
            let [a, b] = ["00".repeat(153), "00".repeat(8)];
            let said = "gsm7: 161 units in 2 parts (153 + 8)";
            format!("{said}\n  data_coding 0, {first}: {a}\n  data_coding 0, {second}: {b}")
        };
        let udh = two("header 050003000201", "header 050003000202");
        assert_eq!(say("--octets", &text), udh);
        let sar = two("sar 1 of 2", "sar 2 of 2");
        assert_eq!(say("--octets --concatenation sar", &text), sar);
        assert_eq!(
            say("--octets --json --concatenation payload", &format!("\"{text}\"")),
            format!(
                r#"{{"encoding":"gsm7","parts":1,"units":161,"part_units":[161],"forced_by":[],{}"{}"}}]}}"#,
                r#""octets":[{"data_coding":0,"message_payload":true,"octets":"#,
                "00".repeat(161)
            )
        );
    }

    #[test]
    fn options_are_the_words_of_the_configuration() {
        let tables = args("--national turkish,spanish --national urdu").unwrap().national;
        let words: Vec<_> = tables.into_iter().map(Word::word).collect();
        assert_eq!(words, ["turkish", "spanish", "urdu"]);
        for options in [
            "--concatenation udh",
            "--national klingon",
            "--default-alphabet ebcdic",
            "--reference 7",
            "--reference 8 --concatenation udh16",
        ] {
            assert!(args(options).is_err(), "{options}");
        }
    }
}
