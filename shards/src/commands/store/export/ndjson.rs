//! Rows as one JSON object a line, every column in each. Pure but for the writer it is given.

use std::io::Write;

use anyhow::Result;
use postrider_http::json::{push_string, push_u64};
use postrider_http::time::push_rfc3339;

use super::Sink;
use super::rows::{Cell, Column};

/// See the module.
pub(super) struct Ndjson<W> {
    out: W,
    names: Vec<&'static str>,
    line: Vec<u8>,
}

impl<W: Write> Ndjson<W> {
    pub(super) fn new(out: W, columns: &[Column]) -> Self {
        Self { out, names: columns.iter().map(|column| column.name).collect(), line: Vec::new() }
    }
}

impl<W: Write> Sink for Ndjson<W> {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        let line = &mut self.line;
        line.clear();
        for (name, cell) in self.names.iter().zip(cells) {
            line.extend_from_slice(if line.is_empty() { b"{\"" } else { b",\"" });
            line.extend_from_slice(name.as_bytes());
            line.extend_from_slice(b"\":");
            match cell {
                Cell::Nothing => line.extend_from_slice(b"null"),
                Cell::Text(text) => push_string(line, text),
                Cell::Number(number) => push_u64(line, u64::from(*number)),
                Cell::Flag(flag) => line.extend_from_slice(if *flag { b"true" } else { b"false" }),
                Cell::Time(time) => {
                    line.push(b'"');
                    push_rfc3339(line, *time);
                    line.push(b'"');
                }
                Cell::Json(json) => line.extend_from_slice(json.as_bytes()),
            }
        }
        line.extend_from_slice(b"}\n");
        Ok(self.out.write_all(line)?)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        Ok(self.out.flush()?)
    }
}
