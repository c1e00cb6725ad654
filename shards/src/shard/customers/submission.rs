//! From a submit_sm, data_sm or submit_multi to the message that its owner accepts: addresses, times
//! and flags checked. Pure, lives nowhere; runs on the shard that holds the connection.

use std::time::Duration;

use postrider_core::clock::UnixMs;
use postrider_core::config::{CustomerConfig, CustomerSmpp};
use postrider_core::content::{Content, Origin};
use postrider_core::lane::Lane;
use postrider_core::limits;
use postrider_core::number::Msisdn;
use postrider_core::sender::SenderId;
use postrider_core::submission::Submission;
use postrider_smpp::pdu::{DestAddress, ShortMessage, SubmitMulti};
use postrider_smpp::status::CommandStatus;
use postrider_smpp::tlv::tag;
use postrider_smpp::values::SmppTime;

use super::content::{Given, content};
use super::multi::Recipient;

/// Type of number: international [3.4 section 5.2.5].
const INTERNATIONAL: u8 = 1;
/// Type of number: national.
const NATIONAL: u8 = 2;
/// Type of number: alphanumeric.
const ALPHANUMERIC: u8 = 5;
/// Greatest priority_flag [3.4 section 5.2.14]; 5.0 has one more, for cell broadcast alone.
const PRIORITY_MAX: u8 = 3;

/// A customer with its account.
pub(in crate::shard) type Account<'a> = (&'a CustomerConfig, &'a CustomerSmpp);

/// The message of a submit_sm or data_sm.
///
/// # Errors
/// The status to refuse with (5.0 section 4.7.6): that of the first field at fault.
pub(super) fn submission(
    account: Account<'_>,
    now: UnixMs,
    message: &ShortMessage<'_>,
) -> Result<Box<Submission>, CommandStatus> {
    let to = destination(message.dest_ton, message.dest)?;
    addressed(account, now, message, to, [message.dest_ton, message.dest_npi])
}

/// The messages of a submit_multi, one for each recipient.
///
/// # Errors
/// The status to refuse all with; that of one recipient stands with it.
pub(super) fn recipients(
    account: Account<'_>,
    now: UnixMs,
    multi: &SubmitMulti<'_>,
) -> Result<Vec<Recipient>, CommandStatus> {
    let mut first: Option<Box<Submission>> = None;
    let mut recipients = Vec::new();
    for destination_of in multi.destinations.iter() {
        let (ton, npi, address, to) = match destination_of {
            DestAddress::Sme { ton, npi, address } => {
                (ton, npi, address, destination(ton, address))
            }
            // We keep no lists.
            DestAddress::DistributionList { name } => {
                (0, 0, name, Err(CommandStatus::ESME_RINVDLNAME))
            }
        };
        let submission = match (to, &first) {
            (Err(status), _) => Err(status),
            (Ok(to), Some(first)) => {
                let dest_ton_npi = [ton, npi];
                Ok(Box::new(Submission { to, dest_ton_npi, ..Submission::clone(first) }))
            }
            (Ok(to), None) => {
                let mut own = addressed(account, now, &multi.message, to, [ton, npi])?;
                // The flag is reserved in submit_multi [3.4 section 4.5.1].
                own.replaces = false;
                own.lane = Lane::of_priority(own.priority, true);
                first = Some(own.clone());
                Ok(own)
            }
        };
        recipients.push(Recipient { ton, npi, address: address.into(), submission });
    }
    Ok(recipients)
}

/// The message to one recipient.
fn addressed(
    account: Account<'_>,
    now: UnixMs,
    message: &ShortMessage<'_>,
    to: Msisdn,
    dest_ton_npi: [u8; 2],
) -> Result<Box<Submission>, CommandStatus> {
    let from = source(account.1, message.source_ton, message.source)?;
    check_flags(message)?;
    let due = schedule(now, message.schedule_delivery_time)?;
    let validity = match message.tlvs.get_int(tag::QOS_TIME_TO_LIVE) {
        // It supersedes validity_period (5.0 section 4.8.4.46).
        Some(seconds) => Some(lasts(Duration::from_secs(u64::from(seconds)))?),
        None => validity(now, due, message.validity_period)?,
    };
    let given = Given {
        esm_class: message.esm_class,
        data_coding: message.data_coding,
        octets: message.text(),
        tlvs: message.tlvs,
    };
    let measured = content(account, &given)?;
    let data_coding = match &measured.content {
        Content::Octets(octets) => octets.data_coding,
        Content::Text(_) | Content::Discarded => message.data_coding,
    };
    let reference = message.tlvs.get_int(tag::USER_MESSAGE_REFERENCE);
    Ok(Box::new(Submission {
        origin: Origin::Smpp,
        due,
        validity,
        registered_delivery: message.registered_delivery,
        protocol_id: message.protocol_id,
        lane: Lane::of_priority(message.priority_flag, false),
        priority: message.priority_flag,
        replaces: message.replace_if_present == 1,
        data_coding,
        source_ton_npi: [message.source_ton, message.source_npi],
        dest_ton_npi,
        service_type: message.service_type.into(),
        client_reference: reference.map(|number| number.to_string()),
        ..Submission::new(from, to, measured.content, (measured.encoding, measured.parts))
    }))
}

fn check_flags(message: &ShortMessage<'_>) -> Result<(), CommandStatus> {
    if message.priority_flag > PRIORITY_MAX {
        return Err(CommandStatus::ESME_RINVPRTFLG);
    }
    if message.replace_if_present > 1 {
        return Err(CommandStatus::ESME_RINVREPFLAG);
    }
    // We keep no texts of our own.
    if message.sm_default_msg_id != 0 {
        return Err(CommandStatus::ESME_RINVDFTMSGID);
    }
    Ok(())
}

/// The sender of an address; the account's own when there is none.
///
/// # Errors
/// ESME_RINVSRCADR.
pub(super) fn source(
    smpp: &CustomerSmpp,
    ton: u8,
    address: &[u8],
) -> Result<SenderId, CommandStatus> {
    let bad = CommandStatus::ESME_RINVSRCADR;
    if address.is_empty() {
        return smpp.default_sender.clone().ok_or(bad);
    }
    let marked = address.starts_with(b"+") || address.starts_with(b"00");
    // A short code is often called international too: it is too short for a number.
    if (ton == INTERNATIONAL || marked && ton != ALPHANUMERIC)
        && let Some(number) = Msisdn::from_carrier(address)
    {
        return Ok(SenderId::LongCode(number));
    }
    let text = std::str::from_utf8(address).map_err(|_| bad)?;
    SenderId::parse(text).map_err(|_| bad)
}

/// The recipient of an address. Only the international form says which country it is in; what calls
/// itself national or nothing is read as that too, since much software says so of every number (Kannel
/// by default).
///
/// # Errors
/// ESME_RINVDSTTON or ESME_RINVDSTADR.
pub(super) fn destination(ton: u8, address: &[u8]) -> Result<Msisdn, CommandStatus> {
    if ton > NATIONAL {
        return Err(CommandStatus::ESME_RINVDSTTON);
    }
    Msisdn::from_carrier(address).ok_or(CommandStatus::ESME_RINVDSTADR)
}

/// When a message is due; `None` for at once.
///
/// # Errors
/// ESME_RINVSCHED: no time, past, or too far ahead.
pub(super) fn schedule(now: UnixMs, text: &[u8]) -> Result<Option<UnixMs>, CommandStatus> {
    let bad = CommandStatus::ESME_RINVSCHED;
    let Some(due) = moment(now, text, bad)? else { return Ok(None) };
    if due.since(now) > limits::SCHEDULE_MAX || now.since(due) > limits::SCHEDULE_SLACK {
        return Err(bad);
    }
    Ok((due > now).then_some(due))
}

/// How long a message is valid from when it is due; `None` for as long as usual. What is longer than
/// we keep messages is cut to that, as centres do.
///
/// # Errors
/// ESME_RINVEXPIRY: no time, or over before the message is due.
pub(super) fn validity(
    now: UnixMs,
    due: Option<UnixMs>,
    text: &[u8],
) -> Result<Option<Duration>, CommandStatus> {
    let Some(expiry) = moment(now, text, CommandStatus::ESME_RINVEXPIRY)? else { return Ok(None) };
    lasts(expiry.since(due.unwrap_or(now))).map(Some)
}

fn lasts(length: Duration) -> Result<Duration, CommandStatus> {
    if length < limits::VALIDITY_MIN {
        return Err(CommandStatus::ESME_RINVEXPIRY);
    }
    Ok(length.min(limits::VALIDITY_MAX))
}

/// A time of a field; `None` for none.
///
/// # Errors
/// `bad`.
pub(super) fn moment(
    now: UnixMs,
    text: &[u8],
    bad: CommandStatus,
) -> Result<Option<UnixMs>, CommandStatus> {
    if text.is_empty() {
        return Ok(None);
    }
    let now = i64::try_from(now.0).map_err(|_| bad)?;
    let moment = SmppTime::parse(text).ok_or(bad)?.unix_ms(now);
    Ok(Some(UnixMs(u64::try_from(moment).unwrap_or(0))))
}

#[cfg(test)]
#[path = "submission_tests.rs"]
mod tests;
