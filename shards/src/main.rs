//! The program `postrider`: reads the command line and hands over. On the main thread.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use postrider_loadgen::load::LoadOptions;
use postrider_loadgen::sink::SinkOptions;
use postrider_loadgen::smsc::SmscOptions;
use postrider_shards::commands::{
    audit, check, demo, erase, pdu, plan, ported, receipt, reload, route, serve, store, tables,
    text,
};
use postrider_shards::exit;

/// Memory freed on another core than it was allocated on goes back without a lock.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An SMS gateway: HTTP in, durable, SMPP out, receipts back, webhooks out.
#[derive(Parser)]
#[command(name = "postrider", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a whole gateway against three simulated carriers and account for every message
    Demo(demo::DemoArgs),
    /// Run the gateway
    Serve(serve::ServeArgs),
    /// Check a configuration and say everything that is wrong in it
    Check(check::CheckArgs),
    /// Print what a configuration comes to: shards, binds, windows, rates, memory, disk
    Plan(plan::PlanArgs),
    Reload(reload::ReloadArgs),
    Tables(tables::TablesCommand),
    Ported(ported::PortedCommand),
    Store(store::StoreCommand),
    Erase(erase::EraseArgs),
    OptOut(erase::OptOutArgs),
    Audit(audit::AuditArgs),
    /// Simulate carriers
    Smsc(Box<SmscOptions>),
    /// Send messages over HTTP at a given rate and measure
    Load(Box<LoadOptions>),
    /// Receive webhooks and check their signatures
    Sink(Box<SinkOptions>),
    /// Work with SMPP PDUs
    Pdu(pdu::PduCommand),
    /// Work with texts
    Text(text::TextCommand),
    Route(route::RouteCommand),
    /// Work with delivery receipts
    Receipt(receipt::ReceiptCommand),
}

fn main() -> ExitCode {
    let status = run(Cli::parse().command);
    ExitCode::from(u8::try_from(status).unwrap_or(1))
}

fn run(command: Command) -> i32 {
    match command {
        Command::Demo(args) => demo::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Reload(args) => reload::run(&args),
        Command::Tables(command) => tables::run(&command),
        Command::Ported(command) => ported::run(&command),
        Command::Store(command) => store::run(&command),
        Command::Erase(args) => erase::run(&args),
        Command::OptOut(args) => erase::run_opt_out(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Smsc(options) => done(postrider_loadgen::smsc::run_smsc(*options)),
        Command::Load(options) => load(*options),
        Command::Sink(options) => done(postrider_loadgen::sink::run_sink(*options)),
        Command::Pdu(command) => pdu::run(&command),
        Command::Text(command) => text::run(&command),
        Command::Route(command) => route::run(&command),
        Command::Receipt(command) => receipt::run(&command),
    }
}

fn load(options: LoadOptions) -> i32 {
    let json = options.json;
    done(postrider_loadgen::load::run_load(options).map(|summary| {
        print!("{}", summary.render(json));
    }))
}

fn done(result: anyhow::Result<()>) -> i32 {
    match result {
        Ok(()) => exit::OK,
        Err(error) => {
            eprintln!("postrider: {error:#}");
            exit::FAILED
        }
    }
}
