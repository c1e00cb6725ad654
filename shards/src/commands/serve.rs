//! `postrider serve`: the gateway as a service. On the main thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use postrider_core::config::{Config, LogFormat};
use tokio::sync::Notify;

use super::config_file::{load, load_behind, refuse};
use super::lines::complain;
use crate::control::{NextConfig, ReadNext, Shutdown, signals};
use crate::server::{Server, ServerOptions};
use crate::{exit, logging, rt};

/// Where the configuration is.
#[derive(clap::Args, Clone, Debug)]
pub struct ServeArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

/// Serves until SIGTERM or SIGINT, then stops in order.
pub fn run(args: &ServeArgs) -> i32 {
    let config = match load(&args.config) {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };
    let json = config.server.log_format == LogFormat::Json;
    let served =
        logging::init(json, logging::LevelFilter::INFO).and_then(|()| serve(config, &args.config));
    match served {
        Ok(()) => exit::OK,
        Err(error) => {
            complain(&format!("{error:#}"));
            exit::FAILED
        }
    }
}

fn serve(config: Config, file: &Path) -> anyhow::Result<()> {
    // First of all: a recovery may take long, and a supervisor need not wait for its end.
    let shutdown = Shutdown::new(Vec::new());
    let asked = Arc::new(Notify::new());
    signals(Arc::clone(&shutdown), Arc::clone(&asked))?;
    announce(&config);
    let file = file.to_owned();
    let read: ReadNext = Arc::new(move |before, shards| {
        load_behind(&file, before, shards).map_err(|error| error.to_string())
    });
    let next_config = Some(NextConfig { read, asked });
    let options = ServerOptions { next_config, ..ServerOptions::default() };
    let server = Server::start(config, &options, shutdown)?;
    tracing::info!(
        http = %server.http, smpp = server.smpp.map(tracing::field::display), smpp_tls = server.smpp_tls.map(tracing::field::display), admin = %server.admin, shards = server.shards, "the gateway is ready"
    );
    server.wait()?;
    tracing::info!("stopped in order");
    Ok(())
}

/// What an operator wants to know of the machine before anything else.
fn announce(config: &Config) {
    let facts = rt::facts();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        kernel = %facts.kernel,
        driver = ?config.server.driver,
        io_uring = %facts.uring_available.as_ref().map_or_else(String::as_str, |()| "available"),
        memlock_soft = facts.memlock_soft,
        memlock_hard = facts.memlock_hard,
        cpus = ?facts.cpus,
        data_dir = %config.server.data_dir.display(),
        tables = config.numbers.tables.as_ref().map(|own| tracing::field::display(own.display())),
        "starting"
    );
}
