//! `POST /api/v1/messages`: the body of a submit, field by field. Pure, lives nowhere.

use core::time::Duration;

use postrider_core::config::Word as _;
use postrider_core::content::{Content, Duplicate, Retention};
use postrider_core::lane::Lane;
use postrider_core::limits::{MAX_BODY_BYTES, MAX_CLIENT_REFERENCE, VALIDITY_MAX, VALIDITY_MIN};
use postrider_core::number::Msisdn;
use postrider_core::sender::SenderId;
use postrider_core::submission::Submission;
use postrider_core::text::{self, Encoding};

use super::json_body::{Value, pointer, read_object};
use super::{ApiRequest, CustomerLimits, RequestHead};
use crate::problem::{Code, Problem, sentence};
use crate::url_guard::{UrlPolicy, check_url};

const FROM: &str = "from";
const TO: &str = "to";
const BODY: &str = "body";
const WEBHOOK_URL: &str = "webhook_url";
const VALIDITY_PERIOD: &str = "validity_period";
const CLIENT_REFERENCE: &str = "client_reference";
const DUPLICATE: &str = "duplicate";
const CONTENT_RETENTION: &str = "content_retention";
const DRY_RUN: &str = "dry_run";
const PRIORITY: &str = "priority";

pub(super) fn parse(
    head: &RequestHead<'_>,
    octets: &[u8],
    limits: &CustomerLimits<'_>,
    policy: &UrlPolicy,
) -> Result<ApiRequest, Problem> {
    check_media_type(head.content_type)?;
    if octets.len() > MAX_BODY_BYTES {
        let detail = format!("The request body is larger than {MAX_BODY_BYTES} octets.");
        return Err(Problem::new(Code::BodyTooLarge, detail));
    }
    let names = [
        FROM,
        TO,
        BODY,
        WEBHOOK_URL,
        VALIDITY_PERIOD,
        CLIENT_REFERENCE,
        DUPLICATE,
        CONTENT_RETENTION,
        DRY_RUN,
        PRIORITY,
    ];
    let [from, to, body, webhook_url, validity, reference, duplicate, retention, dry_run, lane] =
        read_object(octets, &names)?;
    let from = required_text(from, FROM)?;
    let to = required_text(to, TO)?;
    let body = required_text(body, BODY)?;

    let from = parse_from(&from)?;
    let to = parse_to(&to, limits)?;
    check_text(&body, limits)?;
    let measured = measure(&body)?;
    let webhook_url = optional_text(webhook_url, WEBHOOK_URL)?;
    check_webhook(webhook_url.as_deref(), policy)?;
    let lane = parse_priority(lane)?;
    let validity = parse_validity(validity)?.or(lane.usual_validity());
    let client_reference = optional_text(reference, CLIENT_REFERENCE)?;
    check_reference(client_reference.as_deref())?;
    let duplicate = parse_duplicate(duplicate)?;
    let retention = parse_retention(retention, limits.retention)?;
    let dry_run = parse_dry_run(&dry_run)?;
    let content = Content::of_text(&body);
    let submission = Submission {
        webhook_url,
        validity,
        client_reference,
        duplicate,
        retention,
        lane,
        ..Submission::new(from, to, content, measured)
    };
    Ok(if dry_run { ApiRequest::DryRun(submission) } else { ApiRequest::Submit(submission) })
}

/// `application/json`, with no parameter but `charset=utf-8` (RFC 8259 section 11 defines none,
/// and no other charset is JSON).
pub(super) fn check_media_type(content_type: Option<&[u8]>) -> Result<(), Problem> {
    let value = content_type.and_then(|octets| core::str::from_utf8(octets).ok());
    let mut pieces = value.unwrap_or_default().split(';').map(str::trim);
    let media_type = pieces.next().unwrap_or_default();
    let is_utf8 = |parameter: &str| {
        let (name, value) = parameter.split_once('=').unwrap_or_default();
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
        name.eq_ignore_ascii_case("charset") && value.eq_ignore_ascii_case("utf-8")
    };
    if media_type.eq_ignore_ascii_case("application/json") && pieces.all(is_utf8) {
        return Ok(());
    }
    let detail = "Send the body as JSON, with the field \"Content-Type: application/json\".";
    Err(Problem::new(Code::UnsupportedMediaType, detail))
}

fn required_text<'a>(
    value: Option<Value<'a>>,
    name: &str,
) -> Result<std::borrow::Cow<'a, str>, Problem> {
    match value {
        Some(Value::Text(text)) => Ok(text),
        Some(other) => Err(wrong_type(&other, name, "a string")),
        None => Err(Problem::new(Code::MissingField, "This field is required.").at(pointer(name))),
    }
}

/// Null is the same as absent.
fn optional_text(value: Option<Value<'_>>, name: &str) -> Result<Option<String>, Problem> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text.into_owned())),
        Some(other) => Err(wrong_type(&other, name, "a string")),
    }
}

fn wrong_type(value: &Value<'_>, name: &str, expected: &str) -> Problem {
    let detail = format!("This field must be {expected}, not {}.", value.type_name());
    Problem::new(Code::InvalidType, detail).at(pointer(name))
}

fn parse_from(text: &str) -> Result<SenderId, Problem> {
    SenderId::parse(text)
        .map_err(|error| Problem::new(Code::InvalidFrom, sentence(&error)).at(pointer(FROM)))
}

fn parse_to(text: &str, limits: &CustomerLimits<'_>) -> Result<Msisdn, Problem> {
    let read = limits.numbers.read(text);
    read.map_err(|error| Problem::new(Code::InvalidTo, sentence(&error)).at(pointer(TO)))
}

fn check_text(text: &str, limits: &CustomerLimits<'_>) -> Result<(), Problem> {
    let refuse = |code, detail: String| Err(Problem::new(code, detail).at(pointer(BODY)));
    if text.is_empty() {
        return refuse(Code::BodyEmpty, "The text must not be empty.".to_owned());
    }
    let max = usize::try_from(limits.max_text_chars).unwrap_or(usize::MAX);
    // A text has no more characters than octets, so that most need no count.
    if text.len() > max && text.chars().count() > max {
        return refuse(Code::BodyTooLong, format!("The text may have at most {max} characters."));
    }
    if let Some(c) = text.chars().find(|&c| is_refused_control(c)) {
        let detail = format!("The text holds the control character U+{:04X}.", u32::from(c));
        return refuse(Code::InvalidBody, detail);
    }
    Ok(())
}

/// Line feed, carriage return, tab and form feed are text; the other C0 controls and DEL are shown
/// by no handset, and NUL ends a text early in some networks. C1 controls pass: real texts hold
/// them where Windows-1252 quotes were read as Latin-1.
fn is_refused_control(c: char) -> bool {
    c.is_ascii_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}')
}

/// Alphabet and number of parts.
fn measure(text: &str) -> Result<(Encoding, u8), Problem> {
    let encoded = text::encode(text);
    match encoded.promised_parts() {
        Some(parts) => Ok((encoded.encoding(), parts)),
        None => {
            let detail = "The text needs more than 255 parts.";
            Err(Problem::new(Code::TooManyParts, detail).at(pointer(BODY)))
        }
    }
}

fn check_webhook(url: Option<&str>, policy: &UrlPolicy) -> Result<(), Problem> {
    let Some(Err(error)) = url.map(|url| check_url(url, policy)) else { return Ok(()) };
    let code = if error.is_forbidden() { Code::WebhookNotAllowed } else { Code::InvalidWebhookUrl };
    Err(Problem::new(code, sentence(&error)).at(pointer(WEBHOOK_URL)))
}

/// Whole seconds within the product's bounds.
fn parse_validity(value: Option<Value<'_>>) -> Result<Option<Duration>, Problem> {
    let seconds = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Unsigned(seconds)) => seconds,
        Some(other) => {
            return Err(wrong_type(&other, VALIDITY_PERIOD, "a whole number of seconds"));
        }
    };
    let validity = Duration::from_secs(seconds);
    if (VALIDITY_MIN..=VALIDITY_MAX).contains(&validity) {
        return Ok(Some(validity));
    }
    let (min, max) = (VALIDITY_MIN.as_secs(), VALIDITY_MAX.as_secs());
    let detail = format!("The validity period must be {min} to {max} seconds.");
    Err(Problem::new(Code::InvalidValidityPeriod, detail).at(pointer(VALIDITY_PERIOD)))
}

/// Whether the message may be sent twice when nobody knows whether it was sent.
fn parse_duplicate(value: Option<Value<'_>>) -> Result<Duplicate, Problem> {
    match optional_text(value, DUPLICATE)?.as_deref() {
        None | Some("allow") => Ok(Duplicate::Allow),
        Some("avoid") => Ok(Duplicate::Avoid),
        Some(_) => {
            let detail = "This field must be \"allow\" or \"avoid\".";
            Err(Problem::new(Code::InvalidDuplicate, detail).at(pointer(DUPLICATE)))
        }
    }
}

/// How urgent the message is.
fn parse_priority(value: Option<Value<'_>>) -> Result<Lane, Problem> {
    let Some(word) = optional_text(value, PRIORITY)? else { return Ok(Lane::default()) };
    Lane::find(&word).ok_or_else(|| {
        let detail = "This field must be \"otp\", \"transactional\" or \"bulk\".";
        Problem::new(Code::InvalidPriority, detail).at(pointer(PRIORITY))
    })
}

/// What becomes of the text; a message may be stricter than its account, never laxer.
fn parse_retention(value: Option<Value<'_>>, own: Retention) -> Result<Retention, Problem> {
    let refuse = |detail: &str| {
        let code = Code::InvalidContentRetention;
        Err(Problem::new(code, detail).at(pointer(CONTENT_RETENTION)))
    };
    match (optional_text(value, CONTENT_RETENTION)?.as_deref(), own) {
        (None, own) => Ok(own),
        (Some("discard"), _) => Ok(Retention::Discard),
        (Some("keep"), Retention::Keep) => Ok(Retention::Keep),
        (Some("keep"), Retention::Discard) => {
            refuse("No text of this account is kept: leave the field out, or ask for \"discard\".")
        }
        (Some(_), _) => refuse("This field must be \"keep\" or \"discard\"."),
    }
}

/// Whether only what would become of the message is asked for.
fn parse_dry_run(value: &Option<Value<'_>>) -> Result<bool, Problem> {
    match value {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(only_asked)) => Ok(*only_asked),
        Some(other) => Err(wrong_type(other, DRY_RUN, "true or false")),
    }
}

fn check_reference(reference: Option<&str>) -> Result<(), Problem> {
    let Some(reference) = reference else { return Ok(()) };
    let length = reference.chars().count();
    if (1..=MAX_CLIENT_REFERENCE).contains(&length) && !reference.contains(char::is_control) {
        return Ok(());
    }
    let detail = format!(
        "The reference must have 1 to {MAX_CLIENT_REFERENCE} characters, none of them a control."
    );
    Err(Problem::new(Code::InvalidClientReference, detail).at(pointer(CLIENT_REFERENCE)))
}
