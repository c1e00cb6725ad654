//! `postrider reload`: a running gateway reads its configuration again. On the main thread.

use serde_json::Value;

use super::admin::Gateway;
use super::lines::complain;
use crate::exit;

/// Let a running gateway go by its configuration file as it is now
///
/// Carriers, routes, rates and customers count at once on every shard; binds that
/// nothing changed of keep their connections. A file that cannot be used changes
/// nothing. What is read only at a start keeps its old value and is named. SIGHUP
/// does the same, and the log says what came of it.
///
/// Exit status: 0 done; 1 refused or no answer; 2 usage.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct ReloadArgs {
    #[command(flatten)]
    gateway: Gateway,
}

/// Reloads.
#[must_use]
pub fn run(args: &ReloadArgs) -> i32 {
    match args.gateway.demand("POST", "/reload", None) {
        Ok(done) => {
            println!("{done}");
            let waiting = done.get("needs_restart").and_then(Value::as_array);
            for key in waiting.into_iter().flatten().filter_map(Value::as_str) {
                complain(&format!("{key} is read only at a start: it keeps its old value"));
            }
            exit::OK
        }
        Err(error) => {
            complain(&format!("{error:#}"));
            exit::FAILED
        }
    }
}
