//! Feeds of ported numbers as text: what a full file or a delta says of itself, its columns, its
//! rows. PORTED.md in this crate describes the form. Pure; lives on the thread that reads the feed.

use std::collections::BTreeMap;

use super::build::Covers;
use crate::clock::UnixMs;
use crate::csv::{self, CsvError};
use crate::number::{MAX_DIGITS, Msisdn};
use crate::operators::OperatorId;

/// Operators of one table at most: values have two octets, 0 means none.
const OPERATORS_MAX: usize = 65_535;

/// What is wrong with a line; `Display` is fit for an operator of the gateway.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RowError(String);

impl RowError {
    fn new(what: impl Into<String>) -> RowError {
        RowError(what.into())
    }
}

/// Reads a time as RFC 3339 has it.
pub type ReadTime = fn(&str) -> Option<UnixMs>;

/// What stands before the columns' names, as `# key: value`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedMeta {
    /// When the feed was true.
    pub as_of: Option<UnixMs>,
    /// Its number: of a full file the last delta that it contains, of a delta its own.
    pub sequence: Option<u64>,
    /// The number of the feed that a delta follows; the one before its own when it does not say.
    pub after: Option<u64>,
    /// How many rows it has, so that one that was cut off is seen.
    pub rows: Option<u64>,
    /// Where it comes from.
    pub source: Option<String>,
}

impl FeedMeta {
    /// Takes one line that begins with `#`. Other keys are comments.
    ///
    /// # Errors
    /// When a known key has no such value.
    pub fn line(&mut self, line: &str, time: ReadTime) -> Result<(), RowError> {
        let Some((key, value)) = line.trim_start_matches('#').split_once(':') else {
            return Ok(());
        };
        let value = value.trim();
        let wrong = |what: &str| RowError::new(format!("{}: {what}", key.trim()));
        let number = || value.parse().map_err(|_| wrong("give a number"));
        match key.trim() {
            "as_of" => {
                let read = time(value);
                self.as_of =
                    Some(read.ok_or_else(|| wrong("give a time like 2026-11-22T04:00:00Z"))?);
            }
            "sequence" => self.sequence = Some(number()?),
            "rows" => self.rows = Some(number()?),
            "after" => self.after = Some(number()?),
            "source" => self.source = Some(value.to_owned()),
            _ => {}
        }
        Ok(())
    }
}

/// What a feed calls operators, and which networks they are.
#[derive(Clone, Debug, Default)]
pub struct Recipients(BTreeMap<Vec<u8>, Option<OperatorId>>);

impl Recipients {
    /// Reads a file of the columns `recipient`, `mcc` and `mnc`; both codes are empty where the network
    /// has none. `file` is its name, for people.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub fn parse(file: &str, text: &str) -> Result<Recipients, CsvError> {
        let mut own = Recipients::default();
        csv::rows(file, text, &["recipient", "mcc", "mnc"], |row| {
            let code = row.text("recipient")?.as_bytes().to_vec();
            if own.0.insert(code, row.operator()?).is_some() {
                return Err(row.error("recipient", "is there twice"));
            }
            Ok(())
        })?;
        Ok(own)
    }
}

/// A network by its codes; `None` where both are empty.
fn operator(mcc: &str, mnc: &str) -> Result<Option<OperatorId>, RowError> {
    if mcc.is_empty() && mnc.is_empty() {
        return Ok(None);
    }
    OperatorId::new(mcc, mnc).map(Some).map_err(|why| RowError::new(why.to_string()))
}

/// What a row is about.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One number.
    Number(u64),
    /// All numbers from the first to the last.
    Range(u64, u64),
}

/// A row of a feed.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is about.
    pub subject: Subject,
    /// Place of the operator in [`RowReader::operators`], from 1; 0: back to whom the range is.
    pub value: u16,
    /// From when it is true, seconds since 1970; `None`: it is already.
    pub from_s: Option<u64>,
}

/// Where things stand in a row.
#[derive(Clone, Debug, Default)]
struct Columns {
    number: Option<usize>,
    last: Option<usize>,
    recipient: Option<usize>,
    mcc: Option<usize>,
    mnc: Option<usize>,
    action: Option<usize>,
    valid_from: Option<usize>,
}

/// Reads the rows of one feed.
#[derive(Debug)]
pub struct RowReader {
    columns: Columns,
    delimiter: u8,
    /// In front of numbers that stand without it; 0 for none.
    calling_code: u64,
    recipients: Option<Recipients>,
    time: ReadTime,
    operators: Vec<Option<OperatorId>>,
    /// Values by the cells that name the operator.
    values: BTreeMap<Vec<u8>, u16>,
    /// The one before, since rows of one operator often come together.
    before: (Vec<u8>, u16),
    name: Vec<u8>,
}

impl RowReader {
    /// `names` is the line that names the columns: number (or first) and last, recipient or mcc and
    /// mnc, action, valid_from; in any order, separated by comma, semicolon or tab. `operators` are
    /// those that a table has already.
    ///
    /// # Errors
    /// When columns are missing or named twice.
    pub fn new(
        names: &str,
        calling_code: Option<u64>,
        recipients: Option<Recipients>,
        operators: Vec<Option<OperatorId>>,
        time: ReadTime,
    ) -> Result<RowReader, RowError> {
        let count = |delimiter: &u8| names.bytes().filter(|octet| octet == delimiter).count();
        let delimiter = [b',', b';', b'\t'].into_iter().max_by_key(count).unwrap_or(b',');
        let columns = columns(names, delimiter)?;
        Ok(RowReader {
            columns,
            delimiter,
            calling_code: calling_code.unwrap_or(0),
            recipients,
            time,
            operators,
            values: BTreeMap::new(),
            before: (Vec::new(), 0),
            name: Vec::new(),
        })
    }

    /// What values stand for so far.
    #[must_use]
    pub fn operators(&self) -> &[Option<OperatorId>] {
        &self.operators
    }

    /// Reads a line; `None` for an empty one.
    ///
    /// # Errors
    /// What is wrong with it; numbers are not repeated whole.
    pub fn row(&mut self, line: &[u8]) -> Result<Option<Row>, RowError> {
        let line = line.trim_ascii_end();
        if line.is_empty() || line.starts_with(b"#") {
            return Ok(None);
        }
        let mut cells: [&[u8]; 16] = [&[]; 16];
        let delimiter = self.delimiter;
        let split = line.split(|octet| *octet == delimiter);
        cells.iter_mut().zip(split).for_each(|(cell, own)| *cell = bare(own));
        let cell = |at: Option<usize>| at.and_then(|at| cells.get(at).copied()).unwrap_or_default();
        let first = self.number(cell(self.columns.number))?;
        let subject = match cell(self.columns.last) {
            [] => Subject::Number(first),
            last => {
                let last = self.number(last)?;
                if last < first || last.ilog10() != first.ilog10() {
                    return Err(RowError::new("a range ends before it begins or is longer there"));
                }
                Subject::Range(first, last)
            }
        };
        let gone = match cell(self.columns.action) {
            b"" | b"port" => false,
            b"return" | b"delete" => true,
            _ => return Err(RowError::new("action is neither port nor return nor delete")),
        };
        let from = cell(self.columns.valid_from);
        let from_s = if from.is_empty() { None } else { Some(self.seconds(from)?) };
        let value = if gone { 0 } else { self.value(&cells)? };
        Ok(Some(Row { subject, value, from_s }))
    }

    fn seconds(&self, cell: &[u8]) -> Result<u64, RowError> {
        let time = std::str::from_utf8(cell).ok().and_then(self.time);
        let time = time.ok_or_else(|| {
            RowError::new("valid_from is no time; give it like 2026-11-22T04:00:00Z")
        })?;
        Ok(time.0 / 1_000)
    }

    fn number(&self, cell: &[u8]) -> Result<u64, RowError> {
        let digits = cell.strip_prefix(b"+").unwrap_or(cell);
        let begin = if digits.len() < cell.len() { 0 } else { self.calling_code };
        let short = (1..=MAX_DIGITS).contains(&digits.len());
        let plain = digits.iter().all(u8::is_ascii_digit);
        if !short || !plain || (begin == 0 && digits.first() == Some(&b'0')) {
            return Err(RowError::new("the number is not 1 to 15 digits, or begins with 0"));
        }
        let add = |number: u64, octet: &u8| {
            number.wrapping_mul(10).wrapping_add(u64::from(octet.wrapping_sub(b'0')))
        };
        let number = digits.iter().fold(begin, add);
        let fits = Msisdn::from_u64(number).is_some();
        if fits { Ok(number) } else { Err(RowError::new("the number has no 7 to 15 digits")) }
    }

    /// The value of the operator that a row names.
    fn value(&mut self, cells: &[&[u8]; 16]) -> Result<u16, RowError> {
        let cell = |at: Option<usize>| at.and_then(|at| cells.get(at).copied()).unwrap_or_default();
        self.name.clear();
        for at in [self.columns.recipient, self.columns.mcc, self.columns.mnc] {
            self.name.extend_from_slice(cell(at));
            self.name.push(b'-');
        }
        if self.name == self.before.0 {
            return Ok(self.before.1);
        }
        let value = match self.values.get(&self.name) {
            Some(value) => *value,
            None => {
                let value = self.enter(self.named(cells)?)?;
                self.values.insert(self.name.clone(), value);
                value
            }
        };
        self.before.0.clone_from(&self.name);
        self.before.1 = value;
        Ok(value)
    }

    /// The operator that a row names: by the feed's own code, or by MCC and MNC.
    fn named(&self, cells: &[&[u8]; 16]) -> Result<Option<OperatorId>, RowError> {
        let cell = |at: Option<usize>| {
            let cell = at.and_then(|at| cells.get(at).copied()).unwrap_or_default();
            std::str::from_utf8(cell).unwrap_or("?")
        };
        let Some(at) = self.columns.recipient else {
            let named = operator(cell(self.columns.mcc), cell(self.columns.mnc))?;
            return named.map(Some).ok_or_else(|| RowError::new("it names no operator"));
        };
        let code = cell(Some(at));
        match &self.recipients {
            Some(recipients) => recipients.0.get(code.as_bytes()).copied().ok_or_else(|| {
                RowError::new(format!(
                    "nobody says which network the recipient \"{code}\" is; add it to the file of \
                     recipients (with empty MCC and MNC if it has none)"
                ))
            }),
            None => code.parse().map(Some).map_err(|_| {
                RowError::new(format!(
                    "the recipient \"{code}\" is no MCC-MNC; give a file of recipients"
                ))
            }),
        }
    }

    fn enter(&mut self, operator: Option<OperatorId>) -> Result<u16, RowError> {
        let known = self.operators.iter().position(|own| *own == operator);
        let at = known.unwrap_or(self.operators.len());
        if at >= OPERATORS_MAX {
            return Err(RowError::new("there are more than 65,535 operators"));
        }
        if known.is_none() {
            self.operators.push(operator);
        }
        u16::try_from(at + 1).map_err(|_| RowError::new("there are too many operators"))
    }
}

fn columns(names: &str, delimiter: u8) -> Result<Columns, RowError> {
    let mut own = Columns::default();
    for (at, name) in names.trim().split(char::from(delimiter)).enumerate() {
        let place = match name.trim().trim_matches('"') {
            "number" | "first" => &mut own.number,
            "last" => &mut own.last,
            "recipient" => &mut own.recipient,
            "mcc" => &mut own.mcc,
            "mnc" => &mut own.mnc,
            "action" => &mut own.action,
            "valid_from" => &mut own.valid_from,
            _ => continue,
        };
        if at >= 16 || place.replace(at).is_some() {
            let what = format!("column \"{}\" is there twice, or beyond the 16th", name.trim());
            return Err(RowError::new(what));
        }
    }
    let operator = own.recipient.is_some() || (own.mcc.is_some() && own.mnc.is_some());
    if own.number.is_none() || !operator {
        return Err(RowError::new(
            "the line of columns must name number (or first and last) and recipient (or mcc and mnc)",
        ));
    }
    Ok(own)
}

/// A cell without blanks and quotes around it.
fn bare(cell: &[u8]) -> &[u8] {
    let cell = cell.trim_ascii();
    cell.strip_prefix(b"\"").and_then(|cell| cell.strip_suffix(b"\"")).unwrap_or(cell)
}

/// Groups of leading digits from words separated by commas, like `44` or `9174,9175`.
///
/// # Errors
/// When there is something else.
pub fn covers(text: &str) -> Result<Covers, RowError> {
    let groups = text.split(',').map(|group| {
        let digits = group.trim().trim_start_matches('+');
        digits.parse().ok().filter(|_| !digits.starts_with('0'))
    });
    let groups: Option<Vec<u64>> = groups.collect();
    let wrong = || RowError::new("give leading digits like 44, several with commas between them");
    Covers::new(groups.ok_or_else(wrong)?).map_err(|why| RowError::new(why.to_string()))
}
