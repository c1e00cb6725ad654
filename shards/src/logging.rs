//! The log: text for people, JSON lines for machines, always on standard error. Set up once per
//! process, before any thread; every thread writes to it.
//!
//! A JSON line has `ts`, `level`, `msg` and `target`, then the event's own fields under their own
//! names.

use core::fmt;
use std::io::{self, IsTerminal as _};

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::EnvFilter;
pub use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The variable that says what is logged: a level, or directives like `postrider_shards=debug`.
pub const LEVEL_VARIABLE: &str = "POSTRIDER_LOG";

/// Begins to log to standard error: JSON lines, or text, which is coloured on a terminal unless
/// `NO_COLOR` is set. What is at least as grave as `level` is logged, unless `POSTRIDER_LOG` says
/// otherwise.
///
/// # Errors
/// When `POSTRIDER_LOG` cannot be read, or a log was begun before.
pub fn init(json: bool, level: LevelFilter) -> anyhow::Result<()> {
    let colour = io::stderr().is_terminal()
        && !set("NO_COLOR")
        && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    begin(filter(std::env::var_os(LEVEL_VARIABLE), level)?, json, colour)
}

fn begin(filter: EnvFilter, json: bool, colour: bool) -> anyhow::Result<()> {
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour).with_writer(io::stderr);
    let begun = if json { log.event_format(JsonLine).try_init() } else { log.try_init() };
    begun.map_err(|error| anyhow::anyhow!("logging was set up before: {error}"))
}

/// Set and not empty, as no-color.org has it.
fn set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

fn filter(directives: Option<std::ffi::OsString>, level: LevelFilter) -> anyhow::Result<EnvFilter> {
    let directives = directives.unwrap_or_default();
    let help = "use error, warn, info, debug, trace, or directives like postrider_shards=debug";
    let text = directives.to_str().with_context(|| format!("{LEVEL_VARIABLE}: {help}"))?;
    EnvFilter::builder()
        .with_default_directive(level.into())
        .parse(text)
        .with_context(|| format!("{LEVEL_VARIABLE}={text}: {help}"))
}

/// One event as one JSON object on one line.
struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut line = Map::new();
        line.insert("ts".into(), Value::String(time));
        line.insert("level".into(), json!(level(*event.metadata().level())));
        line.insert("msg".into(), json!(""));
        line.insert("target".into(), json!(event.metadata().target()));
        event.record(&mut Fields(&mut line));
        writeln!(writer, "{}", Value::Object(line))
    }
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// Puts an event's fields into the line; they do not displace the line's own.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: Value) {
        let name = match field.name() {
            "message" => "msg".to_owned(),
            own @ ("ts" | "level" | "msg" | "target") => format!("field_{own}"),
            name => name.to_owned(),
        };
        self.0.insert(name, value);
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, json!(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, json!(value));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use std::process::Command;

    use super::*;

    const CHILD: &str = "POSTRIDER_TEST_LOG_CHILD";

    /// A process logs once in its life, so each case is this test's own binary once more.
    fn log_of(test: &str, format: &str, level: &str) -> String {
        let (_, module) = module_path!().split_once("::").unwrap();
        let test = format!("{module}::{test}");
        let child = Command::new(std::env::current_exe().unwrap())
            .args([&test, "--exact", "--nocapture"])
            .env(CHILD, format)
            .env(LEVEL_VARIABLE, level)
            .output()
            .unwrap();
        String::from_utf8(child.stderr).unwrap()
    }

    fn is_child() -> bool {
        let Ok(format) = std::env::var(CHILD) else { return false };
        init(format == "json", LevelFilter::INFO).unwrap();
        tracing::info!(shard = 3_u64, carrier = "alpha", ts = "x", "bind \"opened\"\nand more");
        tracing::debug!("not by default");
        assert!(init(false, LevelFilter::INFO).is_err(), "a second log is refused");
        true
    }

    #[test]
    fn json_is_one_object_a_line_with_flat_fields() {
        if is_child() {
            return;
        }
        let log = log_of("json_is_one_object_a_line_with_flat_fields", "json", "");
        let lines = log.lines().filter(|line| line.starts_with('{')).collect::<Vec<_>>();
        let [line] = lines[..] else { panic!("one event, not {log}") };
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["level"], &line["shard"]), (&json!("info"), &json!(3)));
        assert_eq!(line["msg"], "bind \"opened\"\nand more");
        assert_eq!((&line["carrier"], &line["field_ts"]), (&json!("alpha"), &json!("x")));
        assert!(line["ts"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn text_off_a_terminal_has_no_colour_and_follows_the_level() {
        if is_child() {
            return;
        }
        let this = "text_off_a_terminal_has_no_colour_and_follows_the_level";
        let log = log_of(this, "text", "debug");
        assert!(log.contains("INFO") && log.contains("DEBUG") && log.contains("carrier=\"alpha\""));
        assert!(!log.contains('\u{1b}'), "{log}");
        assert!(!log_of(this, "text", "error").contains("bind"));
    }

    #[test]
    fn a_level_that_is_none_is_refused_with_the_remedy() {
        let error = filter(Some("postrider=loud".into()), LevelFilter::INFO).unwrap_err();
        assert!(error.to_string().contains("POSTRIDER_LOG=postrider=loud: use error, warn"));
        assert!(
            filter(Some("debug".into()), LevelFilter::INFO).is_ok()
                && filter(None, LevelFilter::INFO).is_ok()
        );
    }
}
