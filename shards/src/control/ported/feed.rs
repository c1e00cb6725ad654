//! Reads a feed of ported numbers from a file or from standard input, row by row. Blocking.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use postrider_core::clock::UnixMs;
use postrider_core::operators::OperatorId;
use postrider_core::ported::{FeedMeta, Recipients, Row, RowReader};
use postrider_http::time::parse_rfc3339;

/// The longest line, octets.
const LINE_MAX: usize = 4_096;

/// How a feed is to be read.
#[derive(Clone, Debug, Default)]
pub struct FeedOptions {
    /// In front of numbers without `+`.
    pub calling_code: Option<u64>,
    /// The file that says which networks the feed's recipients are.
    pub recipients: Option<PathBuf>,
    /// When the feed was true, instead of what it says.
    pub as_of: Option<UnixMs>,
    /// Its number, instead of what it says.
    pub sequence: Option<u64>,
}

/// A feed that was read to its end.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) as_of: UnixMs,
    pub(super) meta: FeedMeta,
    /// What values stand for.
    pub(super) operators: Vec<Option<OperatorId>>,
}

impl FeedOptions {
    /// Reads a feed (`-`: standard input); `row` gets each row, and when the feed was true in seconds
    /// since 1970. `operators` are those that the table has.
    pub(super) fn read(
        &self,
        path: &Path,
        operators: &[Option<OperatorId>],
        begin: impl FnOnce(&FeedMeta) -> Result<()>,
        mut row: impl FnMut(Row, u64) -> Result<()>,
    ) -> Result<Feed> {
        let mut lines = Lines::open(path)?;
        let mut meta = FeedMeta::default();
        let names = loop {
            let line = lines.next()?.ok_or_else(|| anyhow!("{} has no columns", path.display()))?;
            let text = std::str::from_utf8(line).map(str::to_owned);
            let text = text.map_err(|_| lines.wrong(&"it is not UTF-8"))?;
            if text.starts_with('#') {
                meta.line(&text, parse_rfc3339).map_err(|why| lines.wrong(&why))?;
            } else if !text.trim().is_empty() {
                break text;
            }
        };
        meta.as_of = self.as_of.or(meta.as_of);
        meta.sequence = self.sequence.or(meta.sequence);
        let Some(as_of) = meta.as_of else {
            bail!("{} does not say when it was true: give --as-of", path.display());
        };
        begin(&meta)?;
        let reader = RowReader::new(
            &names,
            self.calling_code,
            self.recipients()?,
            operators.to_vec(),
            parse_rfc3339,
        );
        let mut reader = reader.map_err(|why| lines.wrong(&why))?;
        let mut rows = 0;
        while let Some(line) = lines.next()? {
            let read = reader.row(line);
            let Some(read) = read.map_err(|why| lines.wrong(&why))? else { continue };
            row(read, as_of.0 / 1_000).map_err(|why| lines.wrong(&format!("{why:#}")))?;
            rows += 1;
        }
        if let Some(said) = meta.rows.filter(|said| *said != rows) {
            bail!("{} has {rows} rows where it says {said}: it was cut off", path.display());
        }
        Ok(Feed { as_of, meta, operators: reader.operators().to_vec() })
    }

    fn recipients(&self) -> Result<Option<Recipients>> {
        let Some(path) = &self.recipients else { return Ok(None) };
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(|| name.clone())?;
        Ok(Some(Recipients::parse(&name, &text)?))
    }
}

/// Lines of a feed, with their numbers.
struct Lines {
    name: String,
    input: Box<dyn BufRead>,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    fn open(path: &Path) -> Result<Lines> {
        let input: Box<dyn BufRead> = if path == Path::new("-") {
            Box::new(BufReader::with_capacity(1 << 18, io::stdin()))
        } else {
            let file =
                File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
            Box::new(BufReader::with_capacity(1 << 18, file))
        };
        let name = if path == Path::new("-") {
            "standard input".into()
        } else {
            path.display().to_string()
        };
        Ok(Lines { name, input, line: Vec::new(), number: 0 })
    }

    /// The next line with its end.
    fn next(&mut self) -> Result<Option<&[u8]>> {
        self.line.clear();
        let limit = u64::try_from(LINE_MAX).unwrap_or(u64::MAX);
        let mut limited = io::Read::take(&mut self.input, limit);
        let read = limited.read_until(b'\n', &mut self.line);
        let read = read.with_context(|| format!("cannot read {}", self.name))?;
        self.number += 1;
        if read == LINE_MAX && self.line.last() != Some(&b'\n') {
            return Err(self.wrong(&format!("it is longer than {LINE_MAX} octets")));
        }
        Ok((read > 0).then_some(self.line.as_slice()))
    }

    fn wrong(&self, why: &dyn std::fmt::Display) -> anyhow::Error {
        anyhow!("{}, line {}: {why}", self.name, self.number)
    }
}
