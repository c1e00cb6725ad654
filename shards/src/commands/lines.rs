//! Tools that answer each line of standard input with an answer on standard output. A bad line is
//! answered and passed over; a reader that has gone away ends the work quietly. On the main thread.

use std::io::{self, BufRead, ErrorKind, Read as _, Write};

use crate::exit;

/// The longest line that is read, in octets: many times the largest PDU in hexadecimal.
pub(crate) const LINE_MAX: usize = 1 << 20;

/// Answers standard input's lines; see [`answer`].
pub(crate) fn answer_stdin(json: bool, work: impl FnMut(&str) -> Result<String, String>) -> i32 {
    answer(json, &mut io::stdin().lock(), &mut io::stdout().lock(), work)
}

/// Writes what `work` makes of each line. Where that is an error, JSON says `{"error": ..}` and the
/// exit status stays 0, since the answer is in the line; text says `error: ..`, and the status is 1.
pub(crate) fn answer(
    json: bool,
    input: &mut dyn BufRead,
    output: &mut dyn Write,
    mut work: impl FnMut(&str) -> Result<String, String>,
) -> i32 {
    let mut status = exit::OK;
    let mut octets = Vec::new();
    loop {
        let line = match next_line(input, &mut octets) {
            Ok(Some(line)) => line,
            Ok(None) => return status,
            Err(error) => {
                complain(&format!("standard input: {error}"));
                return exit::FAILED;
            }
        };
        let answer = line.and_then(&mut work).unwrap_or_else(|error| {
            if json {
                return serde_json::json!({ "error": error }).to_string();
            }
            status = exit::FAILED;
            format!("error: {error}")
        });
        if let Err(ended) = print(output, &answer) {
            return ended;
        }
    }
}

/// The next line without its end, or why it cannot be used; `None` at the end of the input.
fn next_line<'a>(
    input: &mut dyn BufRead,
    octets: &'a mut Vec<u8>,
) -> io::Result<Option<Result<&'a str, String>>> {
    octets.clear();
    let limit = u64::try_from(LINE_MAX).unwrap_or(u64::MAX).saturating_add(1);
    if input.take(limit).read_until(b'\n', octets)? == 0 {
        return Ok(None);
    }
    if octets.len() > LINE_MAX && octets.last() != Some(&b'\n') {
        skip_line(input)?;
        return Ok(Some(Err(format!("the line is longer than {LINE_MAX} octets"))));
    }
    let line = octets.strip_suffix(b"\n").unwrap_or(octets);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Ok(Some(str::from_utf8(line).map_err(|error| format!("the line is not UTF-8: {error}"))))
}

fn skip_line(input: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let seen = input.fill_buf()?;
        let end = seen.iter().position(|octet| *octet == b'\n');
        let used = end.map_or(seen.len(), |at| at + 1);
        input.consume(used);
        if end.is_some() || used == 0 {
            return Ok(());
        }
    }
}

/// Writes `text` and a line end.
///
/// # Errors
/// The exit status when nothing more can be written: 0 when the reader went away.
pub(crate) fn print(output: &mut dyn Write, text: &str) -> Result<(), i32> {
    let written = writeln!(output, "{text}").and_then(|()| output.flush());
    written.map_err(|error| {
        if error.kind() == ErrorKind::BrokenPipe {
            return exit::OK;
        }
        complain(&format!("standard output: {error}"));
        exit::FAILED
    })
}

/// Says on standard error what went wrong; if that cannot be written either, nobody listens.
pub(crate) fn complain(text: &str) {
    drop(writeln!(io::stderr().lock(), "postrider: {text}"));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn shout(line: &str) -> Result<String, String> {
        if line.is_empty() { Err("empty".into()) } else { Ok(line.to_uppercase()) }
    }

    fn run(json: bool, mut input: &[u8]) -> (i32, String) {
        let mut output = Vec::new();
        let status = answer(json, &mut input, &mut output, shout);
        (status, String::from_utf8(output).unwrap())
    }

    #[test]
    fn a_bad_line_is_answered_and_passed_over() {
        let json = "A\n{\"error\":\"empty\"}\nB\n".to_owned();
        assert_eq!(run(true, b"a\n\nb\n"), (0, json));
        assert_eq!(run(false, b"a\r\n\r\nb"), (1, "A\nerror: empty\nB\n".into()));
        assert_eq!(run(false, b""), (0, String::new()));
        let (status, said) = run(false, b"\xff\nb\n");
        assert!(status == 1 && said.starts_with("error: the line is not UTF-8"), "{said}");
    }

    #[test]
    fn a_line_of_the_greatest_length_is_read_and_a_longer_one_skipped() {
        let greatest = [vec![b'x'; LINE_MAX - 1], b"\nb\n".to_vec()].concat();
        let (status, said) = run(false, &greatest);
        assert_eq!((status, said.len()), (0, LINE_MAX + 2));
        let longer = [vec![b'x'; 3 * LINE_MAX], b"\nb\n".to_vec()].concat();
        let error = "error: the line is longer than 1048576 octets\nB\n";
        assert_eq!(run(false, &longer), (1, error.into()));
    }

    struct Closed(ErrorKind);

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure_and_a_full_disk_is() {
        let status = |kind| answer(false, &mut &b"a\n"[..], &mut Closed(kind), shout);
        assert_eq!(status(ErrorKind::BrokenPipe), 0);
        assert_eq!(status(ErrorKind::StorageFull), 1);
    }
}
