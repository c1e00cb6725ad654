//! `POST /api/v1/lookups`: numbers that are to be looked up. A number that cannot be read is an answer,
//! not a refusal. Pure, lives nowhere.

use postrider_core::limits::{LOOKUP_NUMBERS, LOOKUP_TEXT};
use postrider_core::number::{Msisdn, NumberError};
use postrider_core::redact::Private;

use super::json_body::{Value, pointer, read_object};
use super::query::{percent_decode, single_key};
use super::submit::check_media_type;
use super::{CustomerLimits, RequestHead};
use crate::problem::{Code, Problem};

const NUMBERS: &str = "numbers";
const LIVE: &str = "live";

/// What is to be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupQuery {
    /// Each as it was read, in the order of the request; at least one, at most [`LOOKUP_NUMBERS`].
    pub numbers: Vec<Result<Msisdn, Unreadable>>,
    /// Whether a provider may be asked.
    pub live: bool,
    /// Whether the answer is a list.
    pub batch: bool,
}

/// A text that is no number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What was written, shortened.
    pub text: Private<Box<str>>,
    /// The rule that it breaks.
    pub error: NumberError,
}

/// One number, percent-encoded in the path.
pub(super) fn parse_one(
    head: &RequestHead<'_>,
    limits: &CustomerLimits<'_>,
) -> Result<LookupQuery, Problem> {
    let live = parse_live(head)?;
    let segment = head.path.rsplit('/').next().unwrap_or_default();
    let text = percent_decode(segment).ok_or_else(|| {
        Problem::new(Code::BadRequest, "The number in the path is not percent-encoded UTF-8.")
    })?;
    Ok(LookupQuery { numbers: vec![read(&text, limits)], live, batch: false })
}

/// Several, in the body.
pub(super) fn parse_batch(
    head: &RequestHead<'_>,
    body: &[u8],
    limits: &CustomerLimits<'_>,
) -> Result<LookupQuery, Problem> {
    let live = parse_live(head)?;
    check_media_type(head.content_type)?;
    let at = || pointer(NUMBERS);
    let [numbers] = read_object(body, &[NUMBERS])?;
    let texts = match numbers {
        Some(Value::Texts(texts)) => texts,
        Some(other) => {
            let detail = format!("This field is {}, not an array of strings.", other.type_name());
            return Err(Problem::new(Code::InvalidType, detail).at(at()));
        }
        None => return Err(Problem::new(Code::MissingField, "This field is required.").at(at())),
    };
    if texts.is_empty() || texts.len() > LOOKUP_NUMBERS {
        let detail = format!(
            "One request looks up 1 to {LOOKUP_NUMBERS} numbers; this one has {}.",
            texts.len()
        );
        return Err(Problem::new(Code::InvalidNumbers, detail).at(at()));
    }
    let numbers = texts.iter().map(|text| read(text, limits)).collect();
    Ok(LookupQuery { numbers, live, batch: true })
}

fn read(text: &str, limits: &CustomerLimits<'_>) -> Result<Msisdn, Unreadable> {
    limits.numbers.read(text).map_err(|error| {
        let shortened: String = text.chars().take(LOOKUP_TEXT).collect();
        Unreadable { text: Private::new(shortened.into()), error }
    })
}

fn parse_live(head: &RequestHead<'_>) -> Result<bool, Problem> {
    match single_key(head.query, LIVE)? {
        None | Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(Problem::new(Code::InvalidQuery, "Give true or false.").at(LIVE)),
    }
}
