//! The carrier simulator: it owns one simulated carrier per listening address, its binds, its
//! receipts and its faults. One process, one runtime thread for all carriers.
//!
//! Nothing is random: which destinations fail is a hash of the number, so that a run can be
//! repeated and a report be checked.

mod assembly;
mod carrier;
mod connection;
mod dialect;
mod fault;
mod inbound;
mod limiter;
mod mail;
mod receipt;
mod server;
mod stats;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use self::limiter::Limiter;
use crate::ready;
use crate::secret::Secret;
use crate::stop::Stop;

pub use dialect::{Dialect, IdSpelling, ReceiptForm, ReceiptPdu, SmppVersion};
pub use fault::{FaultKind, FaultOptions};
pub use inbound::InboundOptions;
pub use stats::CarrierStats;

/// Which bind a receipt goes to.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReceiptBind {
    /// The bind that submitted the part while it is up and may receive, else any
    #[default]
    Same,
    /// The binds of the same system_id in turn
    Any,
}

/// Where to listen, how to behave, and which faults to make. All apply to each carrier.
#[derive(clap::Args, Clone, Debug)]
pub struct SmscOptions {
    /// Where a carrier listens; repeat it for more carriers
    #[arg(long, default_values = ["127.0.0.1:2775"], value_name = "ADDRESS")]
    pub listen: Vec<SocketAddr>,
    /// The carriers' names, in the order of --listen [default: carrier-1, carrier-2, ...]
    #[arg(long, value_name = "NAME")]
    pub name: Vec<String>,
    /// The only system_id that may bind [default: any]
    #[arg(long, value_name = "ID")]
    pub system_id: Option<String>,
    /// The password that a bind must bring [default: any]
    #[arg(long, env = "POSTRIDER_SMSC_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    pub password: Option<Secret>,
    /// From taking a part to sending its receipt, milliseconds
    #[arg(long, default_value_t = 20, value_name = "MS")]
    pub receipt_delay_ms: u64,
    /// From a submit to its answer, milliseconds; with more than --receipt-delay-ms, receipts
    /// overtake the answers
    #[arg(long, default_value_t = 0, value_name = "MS")]
    pub answer_delay_ms: u64,
    /// Unanswered submits allowed on a bind; further ones are throttled. 0: no limit
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub window: u16,
    /// Parts taken in any second, wherever it begins; further ones are throttled. 0: no limit
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub rate: u32,
    /// Parts taken in any second once --rate-after-ms has passed [default: as before]
    #[arg(long, value_name = "N")]
    pub rate_then: Option<u32>,
    /// From a carrier's first submit to --rate-then, milliseconds
    #[arg(long, default_value_t = 0, requires = "rate_then", value_name = "MS")]
    pub rate_after_ms: u64,
    /// Of a million destinations, so many get the receipt UNDELIV
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub failure_ppm: u32,
    /// Of a million destinations, the parts for so many are refused with ESME_RSUBMITFAIL
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub reject_ppm: u32,
    /// Drop the connection at every Nth part taken: the part is the carrier's, its answer is lost
    #[arg(long, value_name = "N")]
    pub disconnect_every: Option<u64>,
    /// Which bind a receipt goes to
    #[arg(long, value_enum, default_value_t = ReceiptBind::Same)]
    pub receipt_bind: ReceiptBind,
    /// Unanswered receipts and messages from handsets at most on a bind
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub receipt_window: u16,
    /// How it speaks
    #[command(flatten)]
    pub dialect: Dialect,
    /// What goes wrong
    #[command(flatten)]
    pub faults: FaultOptions,
    /// What handsets send
    #[command(flatten)]
    pub inbound: InboundOptions,
    /// Write down every part, every text, and every acknowledged message from a handset
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// Also write the ready line to this file
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
}

impl Default for SmscOptions {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 2775))],
            name: Vec::new(),
            system_id: None,
            password: None,
            receipt_delay_ms: 20,
            answer_delay_ms: 0,
            window: 0,
            rate: 0,
            rate_then: None,
            rate_after_ms: 0,
            failure_ppm: 0,
            reject_ppm: 0,
            disconnect_every: None,
            receipt_bind: ReceiptBind::Same,
            receipt_window: 100,
            dialect: Dialect::default(),
            faults: FaultOptions::default(),
            inbound: InboundOptions::default(),
            ledger: None,
            ready_file: None,
        }
    }
}

impl SmscOptions {
    fn limiter(&self) -> Limiter {
        let limiter = Limiter::new(self.rate);
        match self.rate_then {
            Some(then) => limiter.then(Duration::from_millis(self.rate_after_ms), then),
            None => limiter,
        }
    }
}

/// Serves until SIGTERM, SIGINT or the end of a piped standard input. Prints a ready line at the
/// start and `{"done":[..]}` with every carrier's counts at the end.
///
/// # Errors
/// When an address cannot be listened on, an option makes no sense, or a file cannot be written.
pub fn run_smsc(options: SmscOptions) -> anyhow::Result<()> {
    let stop = Stop::on_signals()?.and_end_of_stdin()?;
    let file = options.ready_file.clone();
    let stats = serve_smsc(&options, &stop, |at| ready::announce(at, file.as_deref()))?;
    let line = serde_json::json!({ "done": stats });
    // The parent may be gone already, and with it standard output.
    ready::say(&format!("{line}\n")).or_else(|_| anyhow::Ok(())).context("the last line")
}

/// The same until `stop` is set; calls `ready` with the addresses once all listen. Gives every
/// carrier's counts.
///
/// # Errors
/// As [`run_smsc`], or what `ready` fails with.
pub fn serve_smsc(
    options: &SmscOptions,
    stop: &Stop,
    ready: impl FnOnce(&[SocketAddr]) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<CarrierStats>> {
    server::serve(options, stop, ready)
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

    use super::SmscOptions;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: SmscOptions,
    }

    #[test]
    fn the_default_value_is_the_command_lines() {
        let parsed = Command::try_parse_from(["smsc"]).map(|command| command.options);
        let parsed = parsed.expect("no argument is required");
        assert_eq!(format!("{parsed:?}"), format!("{:?}", SmscOptions::default()));
    }

    #[test]
    fn addresses_and_names_are_repeated() {
        let line = [
            "smsc",
            "--listen",
            "127.0.0.1:1",
            "--listen",
            "[::1]:2",
            "--name",
            "a",
            "--name",
            "b",
        ];
        let options = Command::try_parse_from(line).map(|command| command.options).expect("valid");
        assert_eq!((options.listen.len(), options.name.len()), (2, 2));
    }
}
