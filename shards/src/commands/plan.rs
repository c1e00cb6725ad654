//! `postrider plan`: prints what a configuration means on a machine, and what it carries of a load,
//! before anything is started. On the main thread.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use postrider_core::config::{Calibration, Config, Forecast, Plan, PlannedLoad};

use super::config_file::{LoadError, cores, load, refuse};
use super::lines::{complain, print};
use crate::exit;

/// Print the plan: partitions, binds, windows, rates, crossings, memory and disk per shard.
///
/// Said what load there is, how long carriers take to answer, or what messages cost (any of
/// --messages-per-second, --parts, --rtt, --share, --backlog, --calibration), it also prints what
/// each carrier takes (its binds x window / RTT, and its rate), cores, disk, what binds first, and
/// how long a backlog takes. What is not known is left out.
///
/// Exit status: 0 good, 1 a file cannot be read or an option makes no sense, 4 the configuration is
/// invalid.
#[derive(Debug, Default, clap::Args)]
pub struct PlanArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Plan for a machine of this many cores instead of this one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub cores: Option<u16>,
    /// Messages a second to be carried [default: what the carriers' rates allow]
    #[arg(long, value_name = "N")]
    pub messages_per_second: Option<f64>,
    /// Parts of a message on average [default: as the calibration had, else 1]
    #[arg(long, value_name = "N", value_parser = parts)]
    pub parts: Option<f64>,
    /// From a submit_sm to its answer: MS for all carriers, CARRIER=MS for one; milliseconds, may be
    /// repeated [default: as the calibration had]
    #[arg(long, value_name = "[CARRIER=]MS")]
    pub rtt: Vec<String>,
    /// Which percentage of the parts a carrier takes; may be repeated [default: every route has as
    /// much as another, and the cheapest carriers of its best group take it]
    #[arg(long, value_name = "CARRIER=PERCENT")]
    pub share: Vec<String>,
    /// Messages that wait already
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub backlog: u64,
    /// What messages cost, as `postrider load --calibration` wrote it
    #[arg(long, value_name = "FILE")]
    pub calibration: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Prints the plan.
#[must_use]
pub fn run(args: &PlanArgs) -> i32 {
    run_on(args, &mut io::stdout().lock())
}

pub(super) fn run_on(args: &PlanArgs, output: &mut dyn Write) -> i32 {
    let planned = load(&args.config).and_then(|config| {
        let plan = Plan::new(&config, cores(args.cores));
        let invalid = |errors| LoadError::invalid(&args.config, errors);
        plan.map(|plan| (config, plan)).map_err(invalid)
    });
    let (config, plan) = match planned {
        Ok(planned) => planned,
        Err(error) => return refuse(&error),
    };
    let forecast = match forecast(args, &config, &plan) {
        Ok(forecast) => forecast,
        Err(error) => {
            complain(&format!("{error:#}"));
            return exit::FAILED;
        }
    };
    let text = if args.json {
        let mut object = plan.to_json();
        if let (Some(object), Some(forecast)) = (object.as_object_mut(), &forecast) {
            object.insert("forecast".into(), forecast.to_json());
        }
        object.to_string()
    } else {
        let forecast = forecast.map(|own| format!("\n{own}")).unwrap_or_default();
        format!("{plan}{forecast}").trim_end().to_owned()
    };
    print(output, &text).map_or_else(|status| status, |()| exit::OK)
}

/// `None` when nothing is said of a load.
fn forecast(args: &PlanArgs, config: &Config, plan: &Plan) -> Result<Option<Forecast>> {
    let mut load = PlannedLoad {
        messages_per_second: args.messages_per_second,
        parts: args.parts.unwrap_or(0.0),
        backlog: args.backlog,
        ..PlannedLoad::default()
    };
    for text in &args.rtt {
        match text.rsplit_once('=') {
            Some((carrier, ms)) => load.rtt_of.push((carrier.to_owned(), milliseconds(ms)?)),
            None => load.rtt = Some(milliseconds(text)?),
        }
    }
    for text in &args.share {
        let parsed = text.rsplit_once('=').and_then(|(carrier, percent)| {
            Some((carrier.to_owned(), percent.parse::<f64>().ok()?))
        });
        let share = parsed.with_context(|| format!("--share {text}: it is CARRIER=PERCENT"))?;
        load.share_of.push(share);
    }
    load.calibration = args.calibration.as_deref().map(calibration).transpose()?;
    let said = load != PlannedLoad::default();
    said.then(|| plan.forecast(config, &load)).transpose().map_err(Into::into)
}

fn calibration(path: &Path) -> Result<Calibration> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("--calibration {}", path.display()))?;
    Calibration::parse(&text).with_context(|| format!("--calibration {}", path.display()))
}

fn milliseconds(text: &str) -> Result<Duration> {
    let ms = text.parse::<f64>().ok().filter(|ms| *ms > 0.0);
    let span = ms.and_then(|ms| Duration::try_from_secs_f64(ms / 1_000.0).ok());
    span.with_context(|| format!("--rtt {text}: it is milliseconds, more than 0"))
}

fn parts(text: &str) -> Result<f64, String> {
    let parts = text.parse::<f64>().ok().filter(|parts| (1.0..=255.0).contains(parts));
    parts.ok_or_else(|| String::from("a message has 1 to 255 parts"))
}
