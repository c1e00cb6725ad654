//! A customer on the crate rusmppc: commands on standard input, what happens on standard output, one
//! JSON object a line (the words are in ../../client.rs). Long texts go out in parts with a 16-bit
//! reference, as the library's own builder cuts them. One thread.

use std::error::Error;
use std::str::FromStr;

use futures_util::StreamExt;
use rusmpp::extra::concatenation::SubmitSmMultipartExt;
use rusmpp::extra::encoding::gsm7bit::Gsm7BitUnpacked;
use rusmpp::pdus::{
    BindReceiver, BindTransceiver, BindTransmitter, DeliverSm, DeliverSmResp, SubmitSm,
};
use rusmpp::types::COctetString;
use rusmpp::values::{InterfaceVersion, Npi, RegisteredDelivery, Ton};
use rusmpp::{CommandId, Pdu};
use rusmppc::{Client, ConnectionBuilder, Event};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn say(event: &str, mut facts: Value) {
    facts["event"] = event.into();
    println!("{facts}");
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut client = None;
    while let Some(line) = lines.next_line().await? {
        let order: Value = serde_json::from_str(&line)?;
        match (order["do"].as_str(), &client) {
            (Some("bind"), _) => client = Some(bind(&order).await?),
            (Some("submit"), Some(client)) => submit(client, &order).await?,
            (Some("enquire"), Some(client)) => {
                say("enquired", json!({ "status": status_of(client.enquire_link().await) }));
            }
            (Some("unbind"), Some(client)) => {
                say("unbound", json!({ "status": status_of(client.unbind().await) }));
                // The server may have closed the connection already.
                client.close_and_wait().await.ok();
            }
            _ => say("error", json!({ "text": line })),
        }
    }
    Ok(())
}

/// The command_status of an answer, null when there was none.
fn status_of<T>(answer: Result<T, rusmppc::error::Error>) -> Value {
    match answer {
        Ok(_) => 0.into(),
        Err(rusmppc::error::Error::UnexpectedResponse { response }) => {
            u32::from(response.status()).into()
        }
        Err(error) => {
            say("error", json!({ "text": error.to_string() }));
            Value::Null
        }
    }
}

async fn bind(order: &Value) -> Outcome<Client> {
    let address = format!("smpp://127.0.0.1:{}", order["port"]);
    let (client, events) = ConnectionBuilder::new()
        .no_enquire_link_interval()
        .disable_interface_version_check()
        .connect(address)
        .await?;
    tokio::spawn(listen(client.clone(), events));
    let version = InterfaceVersion::from(u8::try_from(order["version"].as_u64().unwrap_or(0))?);
    let name = COctetString::from_str(order["system_id"].as_str().unwrap_or(""))?;
    let word = COctetString::from_str(order["password"].as_str().unwrap_or(""))?;
    macro_rules! request {
        ($kind:ident) => {
            $kind::builder().system_id(name).password(word).interface_version(version).build()
        };
    }
    let (status, system_id) = match order["mode"].as_str() {
        Some("tx") => {
            answer(client.bind_transmitter(request!(BindTransmitter)).await, |it| it.system_id)
        }
        Some("rx") => answer(client.bind_receiver(request!(BindReceiver)).await, |it| it.system_id),
        _ => answer(client.bind_transceiver(request!(BindTransceiver)).await, |it| it.system_id),
    };
    say("bound", json!({ "status": status, "system_id": system_id }));
    Ok(client)
}

fn answer<T>(
    answer: Result<T, rusmppc::error::Error>,
    system_id: impl Fn(T) -> COctetString<1, 16>,
) -> (Value, Option<String>) {
    match answer {
        Ok(bound) => (0.into(), Some(system_id(bound).to_string())),
        refused => (status_of(refused), None),
    }
}

/// Answers and tells what comes unasked.
async fn listen(client: Client, mut events: impl futures_util::Stream<Item = Event> + Unpin) {
    while let Some(event) = events.next().await {
        let command = match event {
            Event::Incoming(command) => command,
            Event::Error(rusmppc::error::Error::ConnectionClosedByPeer) => continue,
            Event::Error(error) => {
                say("error", json!({ "text": error.to_string() }));
                continue;
            }
        };
        let sequence = command.sequence_number();
        let answered = match (command.id(), command.pdu()) {
            (CommandId::DeliverSm, Some(Pdu::DeliverSm(message))) => {
                say("deliver", deliver(message));
                client.deliver_sm_resp(sequence, DeliverSmResp::default()).await
            }
            (CommandId::EnquireLink, _) => {
                say("enquire_link", json!({}));
                Ok(())
            }
            (CommandId::Unbind, _) => {
                say("unbind", json!({}));
                client.unbind_resp(sequence).await
            }
            (id, _) => {
                say("error", json!({ "text": format!("unasked: {id:?}") }));
                Ok(())
            }
        };
        if let Err(error) = answered {
            say("error", json!({ "text": error.to_string() }));
        }
    }
    say("closed", json!({}));
}

fn deliver(message: &DeliverSm) -> Value {
    let mut octets = message.short_message().as_ref();
    let (mut id, mut state) = (None, None);
    for tlv in message.tlvs() {
        match tlv.value() {
            Some(rusmpp::tlvs::TlvValue::MessagePayload(payload)) => {
                octets = payload.value.as_ref()
            }
            Some(rusmpp::tlvs::TlvValue::ReceiptedMessageId(it)) => id = Some(it.to_string()),
            Some(rusmpp::tlvs::TlvValue::MessageState(it)) => state = Some(u8::from(*it)),
            _ => {}
        }
    }
    let esm_class = u8::from(message.esm_class);
    let (udh, octets) = match octets.first() {
        Some(length) if esm_class & 0x40 != 0 => octets.split_at(usize::from(*length) + 1),
        _ => (&octets[..0], octets),
    };
    let data_coding = u8::from(message.data_coding);
    let text: String = if data_coding == 8 {
        let units: Vec<u16> =
            octets.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    } else {
        octets.iter().map(|octet| char::from(*octet)).collect()
    };
    json!({
        "esm_class": esm_class,
        "from": message.source_addr.to_string(),
        "to": message.destination_addr.to_string(),
        "data_coding": data_coding,
        "udh": udh.iter().skip(1).map(|octet| format!("{octet:02x}")).collect::<String>(),
        "text": text,
        "receipted_id": id,
        "state": state,
    })
}

async fn submit(client: &Client, order: &Value) -> Outcome<()> {
    let text = |name: &str| order[name].as_str().unwrap_or("").to_owned();
    let from = text("from");
    let alphanumeric = from.chars().any(|c| !c.is_ascii_digit());
    let (ton, npi) = if alphanumeric {
        (Ton::Alphanumeric, Npi::Unknown)
    } else {
        (Ton::International, Npi::Isdn)
    };
    let message = SubmitSm::builder()
        .source_addr_ton(ton)
        .source_addr_npi(npi)
        .source_addr(COctetString::from_str(&from)?)
        .dest_addr_ton(Ton::International)
        .dest_addr_npi(Npi::Isdn)
        .destination_addr(COctetString::from_str(&text("to"))?)
        .registered_delivery(RegisteredDelivery::from(u8::from(order["receipt"] == true)))
        .build();
    let body = text("text");
    let parts = if order["coding"] == "ucs2" {
        message.multipart(&body).reference_u16(4_711).ucs2().build()?
    } else {
        message.multipart(&body).reference_u16(4_712).encoder(Gsm7BitUnpacked::new()).build()?
    };
    let count = parts.len();
    for (at, part) in parts.into_iter().enumerate() {
        let answered = client.submit_sm(part).await;
        let id = answered.as_ref().ok().map(|it| it.message_id().to_string());
        say(
            "answered",
            json!({
                "tag": order["tag"], "part": at + 1, "parts": count,
                "status": status_of(answered), "id": id,
            }),
        );
    }
    Ok(())
}
