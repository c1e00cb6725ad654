//! Rows as comma-separated values (RFC 4180): a line of names, CRLF, quotes where they are needed; an
//! absent value is an empty field. Pure but for the writer it is given.

use std::io::Write;

use anyhow::Result;
use postrider_http::json::push_u64;
use postrider_http::time::push_rfc3339;

use super::Sink;
use super::rows::{Cell, Column};

/// See the module.
pub(super) struct Csv<W> {
    out: W,
    line: Vec<u8>,
}

impl<W: Write> Csv<W> {
    pub(super) fn begin(mut out: W, columns: &[Column]) -> Result<Self> {
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        out.write_all(format!("{}\r\n", names.join(",")).as_bytes())?;
        Ok(Self { out, line: Vec::new() })
    }
}

impl<W: Write> Sink for Csv<W> {
    fn row(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        let line = &mut self.line;
        line.clear();
        for (at, cell) in cells.iter().enumerate() {
            if at > 0 {
                line.push(b',');
            }
            match cell {
                Cell::Nothing => {}
                Cell::Text(text) | Cell::Json(text) => push_field(line, text),
                Cell::Number(number) => push_u64(line, u64::from(*number)),
                Cell::Flag(flag) => line.extend_from_slice(if *flag { b"true" } else { b"false" }),
                Cell::Time(time) => push_rfc3339(line, *time),
            }
        }
        line.extend_from_slice(b"\r\n");
        Ok(self.out.write_all(line)?)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        Ok(self.out.flush()?)
    }
}

fn push_field(line: &mut Vec<u8>, text: &str) {
    // An empty text differs from an absent one.
    if !text.is_empty() && !text.contains([',', '"', '\r', '\n']) {
        line.extend_from_slice(text.as_bytes());
        return;
    }
    line.push(b'"');
    line.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    line.push(b'"');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_would_break_a_field_is_quoted() {
        for (text, field) in [
            ("plain text", "plain text"),
            ("", "\"\""),
            ("a,b", "\"a,b\""),
            ("say \"yes\"", "\"say \"\"yes\"\"\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            let mut line = Vec::new();
            push_field(&mut line, text);
            assert_eq!(String::from_utf8(line).unwrap(), field);
        }
    }
}
