//! `postrider erase` and `postrider opt-out`: ask a running gateway to forget somebody, or to send
//! nothing more to somebody. On the main thread.

use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::admin::Gateway;
use super::lines::complain;
use crate::exit;

/// How often the progress of an erasure is asked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Forget a recipient or a customer: in answers at once, in files within a day
///
/// What was not sent yet is canceled; what a carrier has is finished without its
/// text. Numbers, texts, senders and references go; ids, times, parts, carriers
/// and statuses stay. Asked of the gateway that runs on this machine.
///
/// Exit status: 0 asked for (with --wait: done); 1 refused or no answer; 2 usage.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct EraseArgs {
    #[command(flatten)]
    gateway: Gateway,
    #[command(flatten)]
    subject: SubjectArgs,
    /// Wait until nothing is left in the files
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct SubjectArgs {
    /// Number in international form, like +447700900123
    #[arg(long, value_name = "NUMBER")]
    recipient: Option<String>,
    /// Name of a customer
    #[arg(long, value_name = "NAME")]
    customer: Option<String>,
}

/// Refuse a customer's messages to a recipient, or take them again
///
/// The number is kept as a keyed hash alone, also when the recipient is erased.
///
/// Exit status: 0 done; 1 refused or no answer; 2 usage.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct OptOutArgs {
    #[command(flatten)]
    gateway: Gateway,
    /// Name of the customer
    #[arg(long, value_name = "NAME")]
    customer: String,
    /// Number in international form, like +447700900123
    #[arg(long, value_name = "NUMBER")]
    recipient: String,
    /// Take messages to this recipient again
    #[arg(long)]
    remove: bool,
}

/// Erases.
#[must_use]
pub fn run(args: &EraseArgs) -> i32 {
    status(erase(args))
}

/// Opts out.
#[must_use]
pub fn run_opt_out(args: &OptOutArgs) -> i32 {
    let OptOutArgs { customer, recipient, remove, .. } = args;
    let body = json!({"customer": customer, "recipient": recipient, "remove": remove});
    let said = args.gateway.demand("POST", "/opt-outs", Some(&body));
    status(said.map(|said| println!("{said}")))
}

fn erase(args: &EraseArgs) -> Result<()> {
    let body = match &args.subject {
        SubjectArgs { recipient: Some(number), .. } => json!({"recipient": number}),
        SubjectArgs { customer, .. } => json!({"customer": customer}),
    };
    let begun = args.gateway.demand("POST", "/erasures", Some(&body))?;
    let Some(id) = begun.get("id").and_then(Value::as_str) else {
        bail!("the gateway does not say which erasure it has begun")
    };
    if !args.wait {
        println!("{begun}");
        return Ok(());
    }
    loop {
        let (status, state) = args.gateway.ask("GET", &format!("/erasures/{id}"), None)?;
        // One that was done when the gateway was started again is not listed any more.
        if status == 404 || state.get("finished_at").is_some_and(|at| !at.is_null()) {
            println!("{}", if status == 404 { &begun } else { &state });
            return Ok(());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn status(done: Result<()>) -> i32 {
    match done {
        Ok(()) => exit::OK,
        Err(error) => {
            complain(&format!("{error:#}"));
            exit::FAILED
        }
    }
}
