//! `postrider route explain`: which carrier a message would get, and why. On the main thread.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use postrider_http::explain::explanation_json;
use serde_json::{Value, json};

use super::admin::Gateway;
use super::config_file::load;
use super::lines::{complain, print};
use crate::control::{message, ported};
use crate::exit;
use crate::rt::Clock;
use crate::shard::explain_alone;

/// Work with routes
#[derive(Debug, clap::Args)]
pub struct RouteCommand {
    #[command(subcommand)]
    command: Work,
}

#[derive(Debug, clap::Subcommand)]
enum Work {
    Explain(ExplainArgs),
}

/// Tell which carrier a message would get, and why every other one would not
///
/// With --admin by the gateway that runs there, with what it knows of its
/// carriers now. With --config by the file alone, as if every carrier were up,
/// idle and unknown. Nothing is sent.
///
/// Exit status: 0 told; 1 no carrier, or no answer; 2 usage; 4 the configuration
/// is invalid.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ExplainArgs {
    /// Number in international form, like +447700900123
    #[arg(value_name = "NUMBER")]
    to: String,
    /// Sender
    #[arg(long, value_name = "SENDER")]
    from: String,
    /// Text
    #[arg(long, value_name = "TEXT")]
    body: String,
    /// A configuration file
    #[arg(long, value_name = "FILE", required_unless_present = "admin", conflicts_with = "admin")]
    config: Option<PathBuf>,
    /// The admin port of a gateway that runs on this machine
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Explains.
#[must_use]
pub fn run(command: &RouteCommand) -> i32 {
    let Work::Explain(args) = &command.command;
    let told = match &args.config {
        None => running(args),
        Some(file) => match load(file) {
            Ok(config) => alone(args, &config),
            Err(error) => return super::config_file::refuse(&error),
        },
    };
    match told {
        Ok(told) => match print(&mut io::stdout().lock(), told.trim_end()) {
            Ok(()) => exit::OK,
            Err(status) => status,
        },
        Err(error) => {
            complain(&format!("{error:#}"));
            exit::FAILED
        }
    }
}

fn running(args: &ExplainArgs) -> Result<String> {
    let address = args.admin.context("give --config or --admin")?;
    let body = json!({"to": args.to, "from": args.from, "body": args.body});
    let told = Gateway::at(address).demand("POST", "/routes/explain", Some(&body))?;
    let member = |name: &str| told.get(name).cloned().unwrap_or(Value::Null);
    match (args.json, member("text")) {
        (true, _) => Ok(member("decision").to_string()),
        (false, Value::String(text)) => Ok(text),
        (false, _) => bail!("the gateway's answer has no text"),
    }
}

fn alone(args: &ExplainArgs, config: &postrider_core::config::Config) -> Result<String> {
    let message = message(&args.to, &args.from, &args.body).map_err(|why| anyhow!(why))?;
    let at = Clock::start().wall_raw();
    let ported = Arc::new(ported::load_all(&config.ported)?);
    let resolver = config.resolver().with_ported(ported);
    let told = explain_alone(config, &resolver, &message, at);
    let told = told.context("no carrier can have it")?;
    if args.json {
        return Ok(String::from_utf8(explanation_json(&told))?);
    }
    Ok(told.to_string())
}
