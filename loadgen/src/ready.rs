//! How a part tells its parent that it listens: one JSON line on standard output and, if wanted,
//! the same line in a file. Lives nowhere.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;

/// `{"ready":["127.0.0.1:2775"]}` and a line feed.
fn line(addresses: &[SocketAddr]) -> String {
    let names: Vec<String> = addresses.iter().map(|address| format!("\"{address}\"")).collect();
    format!("{{\"ready\":[{}]}}\n", names.join(","))
}

/// Writes the line to `file`, so that a reader never sees half of it, and then prints it: who has
/// read the line finds the file.
///
/// # Errors
/// When standard output or the file cannot be written.
pub(crate) fn announce(addresses: &[SocketAddr], file: Option<&Path>) -> anyhow::Result<()> {
    let line = line(addresses);
    if let Some(path) = file {
        let draft = path.with_extension("draft");
        std::fs::write(&draft, line.as_bytes())
            .and_then(|()| std::fs::rename(&draft, path))
            .with_context(|| format!("cannot write the ready file {}", path.display()))?;
    }
    say(&line)
}

/// Prints `line` and flushes it.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn say(line: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()).context("standard output")
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

    use super::line;

    #[test]
    fn the_ready_line_is_json() {
        let addresses = ["127.0.0.1:2775".parse().unwrap(), "[::1]:2776".parse().unwrap()];
        assert_eq!(line(&addresses), "{\"ready\":[\"127.0.0.1:2775\",\"[::1]:2776\"]}\n");
    }
}
