//! `bind_rusmppc ADDRESS MESSAGES WINDOW`: as `bind` of postrider-benches, on the client library rusmppc and
//! one thread of tokio. So many tasks as the window is wide submit one message after another.

use std::error::Error;
use std::time::Duration;

use futures_util::StreamExt;
use rusmpp::pdus::{BindTransceiver, SubmitSm};
use rusmpp::types::{COctetString, EmptyOrFullCOctetString, OctetString};
use rusmpp::values::{EsmClass, Npi, RegisteredDelivery, Ton};
use rusmppc::ConnectionBuilder;
use rustix::time::{ClockId, clock_gettime};

/// As in the other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TEXT: &[u8] =
    b"Your code is 483920. It is valid for 10 minutes, costs nothing [0] and is yours. Tell nobody";

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, messages, window] = arguments.as_slice() else {
        return Err("usage: bind_rusmppc ADDRESS MESSAGES WINDOW".into());
    };
    let (messages, window): (u64, u64) = (messages.parse()?, window.parse()?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    runtime.block_on(local.run_until(drive(address, messages, window)))
}

async fn drive(address: &str, messages: u64, window: u64) -> Result<(), Box<dyn Error>> {
    let (client, mut events) = ConnectionBuilder::new()
        .no_enquire_link_interval()
        .disable_interface_version_check()
        .connect(format!("smpp://{address}"))
        .await?;
    tokio::task::spawn_local(async move { while events.next().await.is_some() {} });
    let bind =
        BindTransceiver::builder().system_id(COctetString::from_slice(b"postrider\0")?).build();
    client.bind_transceiver(bind).await?;
    let begin = (clock(ClockId::Monotonic), clock(ClockId::ThreadCPUTime));
    let mut tasks = Vec::new();
    for index in 0..window {
        let client = client.clone();
        let count = messages / window + u64::from(index < messages % window);
        tasks.push(tokio::task::spawn_local(async move {
            for _ in 0..count {
                client.submit_sm(submit().expect("fields in bounds")).await.expect("an answer");
            }
        }));
    }
    for task in tasks {
        task.await?;
    }
    let wall = (clock(ClockId::Monotonic) - begin.0).as_secs_f64();
    let cpu = (clock(ClockId::ThreadCPUTime) - begin.1).as_secs_f64();
    let count = messages as f64;
    println!("{:.0} submit_sm/s, {:.2} us of CPU each", count / wall, cpu * 1e6 / count);
    Ok(())
}

fn submit() -> Result<SubmitSm, Box<dyn Error>> {
    Ok(SubmitSm::builder()
        .source_addr_ton(Ton::Alphanumeric)
        .source_addr_npi(Npi::Unknown)
        .source_addr(COctetString::from_slice(b"Postrider\0")?)
        .dest_addr_ton(Ton::International)
        .dest_addr_npi(Npi::Isdn)
        .destination_addr(COctetString::from_slice(b"447700900123\0")?)
        .esm_class(EsmClass::from(0))
        .validity_period(EmptyOrFullCOctetString::from_slice(b"000002000000000R\0")?)
        .registered_delivery(RegisteredDelivery::from(0))
        .short_message(OctetString::from_slice(TEXT)?)
        .build())
}

fn clock(which: ClockId) -> Duration {
    let time = clock_gettime(which);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
