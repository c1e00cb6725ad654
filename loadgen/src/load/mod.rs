//! The open-loop HTTP sender: it owns the arrivals, the connections and what became of every
//! message. One per process, on its runtime's thread.
//!
//! Arrivals come by the clock, whether or not earlier ones were answered, and a latency counts from
//! the instant at which the message was meant to leave: a stall of the gateway is felt by every
//! message that should have been sent meanwhile (no coordinated omission).

mod answer;
mod arrivals;
mod calibrate;
mod connection;
mod pacer;
mod request;
mod run;
mod summary;

use std::net::SocketAddr;
use std::path::PathBuf;

use self::calibrate::Calibrating;
use crate::secret::Secret;
use crate::stop::Stop;

pub use summary::LoadSummary;

/// The path that a URL without one gets.
const DEFAULT_PATH: &str = postrider_http::request::MESSAGES_PATH;

/// What to send, where to, and how fast.
#[derive(clap::Args, Clone, Debug)]
pub struct LoadOptions {
    /// Where the gateway listens: http://host:port; the API's path is added when there is none
    #[arg(long, default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub url: String,
    /// The customer's API key, sent as "Authorization: Bearer KEY"
    #[arg(
        long,
        env = "POSTRIDER_API_KEY",
        hide_env_values = true,
        default_value = "",
        value_name = "KEY"
    )]
    pub api_key: Secret,
    /// How many messages to send
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    pub messages: u64,
    /// Messages a second, by the clock whatever the gateway does; 0 sends the next one as soon as a
    /// connection is free (a closed loop: its latencies do not count waiting)
    #[arg(long, default_value_t = 0.0, value_name = "N")]
    pub rate: f64,
    /// Connections, each with at most one request in flight
    #[arg(long, default_value_t = 64, value_name = "N")]
    pub connections: usize,
    /// Requests in flight at most, over all connections; 0 for one on each
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub max_in_flight: usize,
    /// The first N messages are sent and accounted for, but kept out of rates and latencies
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub warmup: u64,
    /// Texts to send in file order, each once before any repeats: a tab-separated file with the
    /// header lang, kind, text, or one JSON object with a "text" a line [default: built in]
    #[arg(long, value_name = "FILE")]
    pub corpus: Option<PathBuf>,
    /// The sender id
    #[arg(long, default_value = "Postrider", value_name = "SENDER")]
    pub from: String,
    /// Where the gateway shall send status events
    #[arg(long, value_name = "URL")]
    pub webhook_url: Option<String>,
    /// Destinations are a prefix and the message's number, padded with zeros to 12 digits, so that
    /// each is used once; with several prefixes each message gets one of them
    #[arg(long, value_delimiter = ',', default_values = ["4477", "4915", "9198"], value_name = "DIGITS")]
    pub prefixes: Vec<String>,
    /// The number of the first message, for a run beside an earlier one
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub first_number: u64,
    /// Chooses which message gets which prefix
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
    /// A request without an answer for so long is given up as unacknowledged, seconds
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    pub timeout_seconds: u64,
    /// How long to go on without any connection, or with a message refused with 503, seconds
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub give_up_seconds: u64,
    /// Write down every message and what became of it
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// Write down what the messages cost the gateway, for `postrider plan --calibration`: its
    /// processors, its log, its carriers' answers. Nothing else may load it meanwhile
    #[arg(long, value_name = "FILE")]
    pub calibration: Option<PathBuf>,
    /// The gateway's admin port, which tells that
    #[arg(long, default_value = "127.0.0.1:9090", value_name = "ADDRESS")]
    pub admin: SocketAddr,
    /// Print the summary as JSON
    #[arg(long)]
    pub json: bool,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8080".to_owned(),
            api_key: Secret::default(),
            messages: 1_000,
            rate: 0.0,
            connections: 64,
            max_in_flight: 0,
            warmup: 0,
            corpus: None,
            from: "Postrider".to_owned(),
            webhook_url: None,
            prefixes: ["4477", "4915", "9198"].map(str::to_owned).to_vec(),
            first_number: 0,
            seed: 0,
            timeout_seconds: 30,
            give_up_seconds: 60,
            ledger: None,
            calibration: None,
            admin: SocketAddr::from(([127, 0, 0, 1], 9090)),
            json: false,
        }
    }
}

/// Sends the messages and waits for what becomes of them, or until SIGTERM or SIGINT. Prints
/// nothing: the caller prints [`LoadSummary::render`].
///
/// # Errors
/// When an option makes no sense, a file cannot be read or written, or the gateway was never
/// reached. Refusals and lost answers are results, not errors.
pub fn run_load(options: LoadOptions) -> anyhow::Result<LoadSummary> {
    run_load_until(&options, &Stop::on_signals()?)
}

/// The same, until `stop` is set: requests in flight are still waited for.
///
/// # Errors
/// As [`run_load`].
pub fn run_load_until(options: &LoadOptions, stop: &Stop) -> anyhow::Result<LoadSummary> {
    let Some(file) = &options.calibration else { return run::run(options, stop) };
    let calibrating = Calibrating::begin(options.admin)?;
    let summary = run::run(options, stop)?;
    calibrating.finish(file)?;
    Ok(summary)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "tests"
    )]

    use clap::Parser;

    use super::LoadOptions;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: LoadOptions,
    }

    #[test]
    fn the_default_value_is_the_command_lines() {
        let parsed = Command::try_parse_from(["load"]).map(|command| command.options);
        let parsed = parsed.expect("no argument is required");
        assert_eq!(format!("{parsed:?}"), format!("{:?}", LoadOptions::default()));
    }

    #[test]
    fn the_api_key_is_not_printed() {
        let options = LoadOptions { api_key: "pr_secret".into(), ..LoadOptions::default() };
        assert!(!format!("{options:?}").contains("pr_secret"));
    }
}
