//! `postrider store export`: messages or their events as rows of a file. On the main thread.
//!
//! It streams: what is in memory is one row and the messages that are open at the point of the log
//! that is being read (see `shard::offline`), whatever the number of closed ones.

mod csv;
mod ndjson;
#[cfg(feature = "parquet")]
mod parquet;
mod rows;

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use postrider_core::clock::UnixMs;
use postrider_core::lifecycle::PartStatus;
use postrider_http::time::parse_rfc3339;
use postrider_storage::NameKind;

use self::rows::{Cell, Column, Rows};
use super::super::lines::complain;
use super::read::Source;
use crate::exit;

/// Write messages, or the events of their timelines, as a file of rows
///
/// Numbers, texts and the customers' own references are personal data: they are
/// left out unless --include-content is given. Times are UTC (RFC 3339). Rows
/// come shard by shard, messages in the order in which they closed, open ones
/// last. Messages from handsets are not exported. Memory grows with the open
/// messages of one shard, not with what is exported.
///
/// Columns of messages: message_id, shard, customer, origin, encoding, status,
/// closed, carrier, error_code, accepted_at, due_at, valid_until, submitted_at,
/// finished_at, webhook, part_count, parts (JSON: index, status, carrier,
/// carrier_message_id, error_code), redacted; with content also sender,
/// recipient, body, client_reference.
/// Columns of events: message_id, shard, customer, at, event, part, carrier,
/// detail.
///
/// Exit status: 0 done; 1 it cannot be read or written; 2 usage.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ExportArgs {
    /// The data directory.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// What a row is.
    #[arg(long, value_enum)]
    what: What,
    /// The form of the file.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Only messages accepted, or events that happened, at or after this time (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<UnixMs>,
    /// Only messages accepted, or events that happened, before this time (RFC 3339).
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<UnixMs>,
    /// Only messages of this customer.
    #[arg(long, value_name = "NAME")]
    customer: Option<String>,
    /// Only messages of this status, as it is at the end of the log.
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<PartStatus>,
    /// Numbers, texts and customers' references too: personal data.
    #[arg(long)]
    include_content: bool,
    /// The file to write, readable by its owner alone [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What a row is.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// A message, with what became of it
    Messages,
    /// Something that happened to a message
    Events,
}

/// The form of the file.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Format {
    /// A JSON object a line
    #[default]
    Ndjson,
    /// Comma-separated values under a line of names (RFC 4180)
    Csv,
    /// Apache Parquet, compressed with Snappy; only in builds with the feature `parquet`
    Parquet,
}

fn time(text: &str) -> Result<UnixMs, String> {
    let hint = "a time like 2026-11-24T18:00:00Z";
    parse_rfc3339(text).ok_or_else(|| String::from(hint))
}

fn status(text: &str) -> Result<PartStatus, String> {
    PartStatus::from_name(text).ok_or_else(|| {
        let names = PartStatus::ALL.map(PartStatus::name);
        format!("one of {}", names.join(", "))
    })
}

/// Takes rows and makes a file of them.
trait Sink {
    /// Adds a row: a cell for each column.
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()>;

    /// Writes what is left.
    fn finish(self: Box<Self>) -> Result<()>;
}

type Output = Box<dyn Write + Send>;

pub(super) fn run(args: &ExportArgs) -> i32 {
    match export(args) {
        Ok(()) => exit::OK,
        Err(error) if is_broken_pipe(&error) => exit::OK,
        Err(error) => {
            complain(&format!("{error:#}"));
            exit::FAILED
        }
    }
}

/// The reader has gone away: no failure of ours.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(broken)
}

fn export(args: &ExportArgs) -> Result<()> {
    let source = Source::open(&args.dir)?;
    let customer = match &args.customer {
        Some(name) => {
            let number = source.names.number_of(NameKind::Customer, name);
            Some(number.with_context(|| format!("no customer {name:?} was ever configured"))?)
        }
        None => None,
    };
    let rows = Rows { source: &source, include_content: args.include_content };
    let columns = match args.what {
        What::Messages => rows.message_columns(),
        What::Events => rows::EVENT_COLUMNS.to_vec(),
    };
    let mut sink = sink(args, &columns)?;
    let within =
        |at: UnixMs| args.from.is_none_or(|from| at >= from) && args.to.is_none_or(|to| at < to);
    let mut count = 0_u64;
    let passed = source.messages(&mut |shard, told| {
        let wanted = customer.is_none_or(|customer| customer == told.customer())
            && args.status.is_none_or(|status| status == told.status());
        if !wanted {
            return Ok(());
        }
        match args.what {
            What::Messages if within(told.accepted()) => {
                count += 1;
                rows.message(shard, told, &mut |cells| sink.row(cells))
            }
            What::Messages => Ok(()),
            What::Events => rows.events(shard, told, &mut |at, cells| {
                if !within(at) {
                    return Ok(());
                }
                count += 1;
                sink.row(cells)
            }),
        }
    })?;
    sink.finish()?;
    passed.complain();
    if args.output.is_some() {
        eprintln!("{count} rows");
    }
    Ok(())
}

fn sink(args: &ExportArgs, columns: &[Column]) -> Result<Box<dyn Sink>> {
    let open = || -> Result<Output> {
        let Some(path) = &args.output else { return Ok(Box::new(io::stdout())) };
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
        Ok(Box::new(file.with_context(|| format!("cannot write {}", path.display()))?))
    };
    let buffered = || open().map(|output| BufWriter::with_capacity(1 << 20, output));
    Ok(match args.format {
        Format::Ndjson => Box::new(ndjson::Ndjson::new(buffered()?, columns)),
        Format::Csv => Box::new(csv::Csv::begin(buffered()?, columns)?),
        #[cfg(feature = "parquet")]
        Format::Parquet => Box::new(parquet::Parquet::begin(open()?, columns)?),
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => anyhow::bail!(
            "this build cannot write Parquet: build it with \
             `cargo build --release --features parquet`, or use --format ndjson or csv"
        ),
    })
}
