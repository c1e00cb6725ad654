//! Texts, requests and PDUs such as a gateway meets every day. Pure, lives nowhere.

use postrider_core::content::Retention;
use postrider_core::number::NumberReader;
use postrider_http::auth::{CustomerIx, Keyring, hash_api_key};
use postrider_http::request::{ApiRequest, CustomerLimits, RequestHead, parse, route};
use postrider_http::url_guard::UrlPolicy;
use postrider_smpp::command::CommandId;
use postrider_smpp::pdu::{Body, ShortMessage, decode, encode_message, next_frame};
use postrider_smpp::receipt::{ReceiptState, parse_receipt};
use postrider_storage::{Asked, Record};

/// One part in the GSM alphabet: 92 characters, one of them from the extension table.
pub const GSM_SHORT: &str =
    "Your code is 483920. It is valid for 10 minutes, costs nothing [€0] and is yours. Tell nobody";
/// One part in UCS-2: 41 characters.
pub const UCS2_SHORT: &str = "Ваш код 483920. Никому его не сообщайте! ✓";

/// So many characters of the GSM alphabet, none from its extension table.
#[must_use]
pub fn text_of(characters: usize) -> String {
    "Your parcel arrives today. ".chars().cycle().take(characters).collect()
}

/// Five parts in the GSM alphabet.
#[must_use]
pub fn gsm_long() -> String {
    GSM_SHORT.repeat(7)
}

/// Five parts in UCS-2.
#[must_use]
pub fn ucs2_long() -> String {
    UCS2_SHORT.repeat(7)
}

/// The API key of the sample customer.
pub const API_KEY: &str = "pr_live_6b1f3c0e9d7a4852b0c4e8f1a2d36597";
/// The sample customer's `Authorization` field.
pub const AUTHORIZATION: &str = "Bearer pr_live_6b1f3c0e9d7a4852b0c4e8f1a2d36597";
/// The sample customer's webhook secret.
pub const WEBHOOK_SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// A keyring of a thousand customers; the sample customer is in the middle.
#[must_use]
pub fn keyring() -> Keyring {
    let others = (0..1_000).map(|n| (CustomerIx(n), hash_api_key(&format!("pr_live_{n}"))));
    let own = (CustomerIx(0), hash_api_key(API_KEY));
    Keyring::new(others.chain(std::iter::once(own)))
}

/// The first number that is sent to; later messages count up from it, in as many digits.
pub const FIRST_NUMBER: u64 = 447_700_900_000;

/// The body of a submit to [`FIRST_NUMBER`].
#[must_use]
pub fn submit_body() -> Vec<u8> {
    format!(
        r#"{{"from":"Postrider","to":"+{FIRST_NUMBER}","body":"{GSM_SHORT}","webhook_url":"https://hooks.example.com/sms","client_reference":"order-1047"}}"#
    )
    .into_bytes()
}

/// Routes and parses a submit as the edge of a shard does.
///
/// # Panics
/// When the body is refused.
#[must_use]
pub fn parse_submit(body: &[u8]) -> ApiRequest {
    let head = RequestHead {
        method: "POST",
        path: "/api/v1/messages",
        query: None,
        content_type: Some(b"application/json"),
    };
    let limits = CustomerLimits {
        max_text_chars: 1_600,
        numbers: NumberReader::Strict,
        retention: Retention::Keep,
    };
    let endpoint = route(&head).expect("the path of a submit");
    parse(endpoint, &head, body, &limits, &UrlPolicy { allow_private: false })
        .expect("a valid submit")
}

/// The fields of a submit_sm of one part.
#[must_use]
pub fn submit_fields(text: &[u8]) -> ShortMessage<'_> {
    ShortMessage {
        source_ton: 5,
        source: b"Postrider",
        dest_ton: 1,
        dest_npi: 1,
        dest: b"447700900000",
        validity_period: b"000002000000000R",
        registered_delivery: 1,
        short_message: text,
        ..ShortMessage::default()
    }
}

/// The text of a receipt in the form of appendix B.
pub const RECEIPT_TEXT: &[u8] = b"id:0000000000 sub:001 dlvrd:001 submit date:2611241200 \
done date:2611241201 stat:DELIVRD err:000 text:Your code is 483920.";

/// A deliver_sm that carries [`RECEIPT_TEXT`] from [`FIRST_NUMBER`].
///
/// # Panics
/// Never: its fields are within their bounds.
#[must_use]
pub fn receipt_pdu(sequence: u32) -> Vec<u8> {
    let message = ShortMessage {
        source_ton: 1,
        source_npi: 1,
        source: b"447700900000",
        dest_ton: 5,
        dest: b"Postrider",
        esm_class: 0x04,
        short_message: RECEIPT_TEXT,
        ..ShortMessage::default()
    };
    let mut out = Vec::new();
    encode_message(&mut out, CommandId::DELIVER_SM, sequence, &message).expect("fields in bounds");
    out
}

/// From the octets of a bind to the state that a receipt reports: frame, decode, TLVs, text.
///
/// # Panics
/// When `octets` do not begin with a receipt.
#[must_use]
pub fn read_receipt(octets: &[u8]) -> ReceiptState {
    let (frame, _) = next_frame(octets, 70_000).expect("a length").expect("a whole PDU");
    let Ok(Body::Message(message)) = decode(&frame) else { panic!("not a message") };
    parse_receipt(&message).and_then(|receipt| receipt.state).expect("a receipt")
}

/// Bytes of the accepted record that the log's benchmarks append: what a usual message makes.
pub const RECORD_BYTES: usize = 299;

/// An accepted record of [`RECORD_BYTES`] bytes.
#[must_use]
pub fn accepted_record(sequence: u64) -> Record<'static> {
    Record::Accepted {
        sequence,
        partition: 1_234,
        customer: 1,
        to: FIRST_NUMBER + sequence % 100_000,
        sender: b"Postrider",
        body: GSM_SHORT.as_bytes(),
        webhook_url: b"https://hooks.example.com/customers/1047/sms/ev",
        client_reference: b"order-1047-0000-part-001",
        encoding: 0,
        parts: 1,
        reference: 7,
        accepted_ms: 1_790_000_000_000,
        valid_until_ms: 1_790_172_800_000,
        id: 0x5a1f_6f0e_3c22_4b0e_9d5c_0d6a_2b7c_8e9f,
        asked: Asked::default(),
    }
}

#[cfg(test)]
mod tests {
    use postrider_core::text::{self, ReferenceWidth};

    use super::*;

    #[test]
    fn samples_are_what_their_names_say() {
        assert_eq!(accepted_record(1).encoded_len(), RECORD_BYTES);
        assert_eq!(read_receipt(&receipt_pdu(1)), ReceiptState::Delivered);
        for (text, encoding, parts) in [
            (GSM_SHORT.to_owned(), text::Encoding::Gsm7, 1),
            (UCS2_SHORT.to_owned(), text::Encoding::Ucs2, 1),
            (gsm_long(), text::Encoding::Gsm7, 5),
            (ucs2_long(), text::Encoding::Ucs2, 5),
        ] {
            let encoded = text::encode(&text);
            assert_eq!(encoded.encoding(), encoding);
            assert_eq!(encoded.part_count(ReferenceWidth::Eight), parts, "{text}");
        }
    }

    #[test]
    fn the_sample_customer_is_known() {
        assert!(keyring().authenticate(Some(AUTHORIZATION.as_bytes())).is_ok());
    }
}
