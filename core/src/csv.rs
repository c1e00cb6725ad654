//! Rows of tables in CSV [RFC 4180], without line ends in fields. Feeds of ported numbers, which have a
//! hundred million rows, have a reader of their own. Pure, lives nowhere.

use std::borrow::Cow;

use crate::number::MAX_DIGITS;
use crate::operators::OperatorId;
use crate::prefix::Prefix;
use crate::region::Region;

/// A table that cannot be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}: {what}")]
pub struct CsvError {
    /// The file, as the reader was told its name.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

/// One row; its fields are asked for by their column's name.
pub(crate) struct Row<'a> {
    file: &'a str,
    line: usize,
    columns: &'a [&'static str],
    /// In the order of `columns`.
    fields: &'a [Cow<'a, str>],
}

/// Reads every row under the heading, in which these columns stand in any order beside others.
pub(crate) fn rows<T>(
    file: &str,
    text: &str,
    columns: &[&'static str],
    mut each: impl FnMut(Row<'_>) -> Result<T, CsvError>,
) -> Result<Vec<T>, CsvError> {
    let fail = |line, what| CsvError { file: file.to_owned(), line, what };
    let mut lines = (1..).zip(text.lines());
    let (_, heading) = lines.next().ok_or_else(|| fail(1, String::from("it is empty")))?;
    let heading: Vec<Cow<'_, str>> = fields(heading.trim_start_matches('\u{feff}'));
    let mut places = Vec::with_capacity(columns.len());
    for column in columns {
        let place = heading.iter().position(|own| own.trim() == *column);
        places.push(place.ok_or_else(|| fail(1, format!("there is no column {column}")))?);
    }
    let mut all = Vec::new();
    for (line, text) in lines.filter(|(_, text)| !text.is_empty()) {
        let mut found = fields(text);
        if found.len() != heading.len() {
            let what = format!("it has {} fields, the heading {}", found.len(), heading.len());
            return Err(fail(line, what));
        }
        let take = |place: &usize| found.get_mut(*place).map(std::mem::take).unwrap_or_default();
        let own: Vec<Cow<'_, str>> = places.iter().map(take).collect();
        all.push(each(Row { file, line, columns, fields: &own })?);
    }
    Ok(all)
}

/// The fields of a line. Quotes may stand around a whole field; two in it are one.
fn fields(line: &str) -> Vec<Cow<'_, str>> {
    if !line.contains('"') {
        return line.split(',').map(Cow::Borrowed).collect();
    }
    let mut all = vec![String::new()];
    let (mut quoted, mut before) = (false, ',');
    for c in line.chars() {
        match (c, all.last_mut()) {
            (',', _) if !quoted => all.push(String::new()),
            ('"', Some(field)) => {
                if !quoted && before == '"' {
                    field.push('"');
                }
                quoted = !quoted;
            }
            (_, Some(field)) => field.push(c),
            (_, None) => {}
        }
        before = c;
    }
    all.into_iter().map(Cow::Owned).collect()
}

impl Row<'_> {
    /// The field of a column, without blanks around it.
    pub(crate) fn text(&self, column: &'static str) -> Result<&str, CsvError> {
        let place = self.columns.iter().position(|own| *own == column);
        let field = place.and_then(|place| self.fields.get(place));
        field.map(|field| field.trim()).ok_or_else(|| self.error(column, "is no column"))
    }

    /// Says that the field of a column is wrong.
    pub(crate) fn error(&self, column: &'static str, why: &str) -> CsvError {
        let place = self.columns.iter().position(|own| *own == column);
        let field = place.and_then(|place| self.fields.get(place)).map_or("", |field| field);
        let what = format!("{column} \"{field}\" {why}");
        CsvError { file: self.file.to_owned(), line: self.line, what }
    }

    /// A network by the columns `mcc` and `mnc`; `None` where both are empty.
    pub(crate) fn operator(&self) -> Result<Option<OperatorId>, CsvError> {
        let (mcc, mnc) = (self.text("mcc")?, self.text("mnc")?);
        if mcc.is_empty() && mnc.is_empty() {
            return Ok(None);
        }
        let operator = OperatorId::new(mcc, mnc);
        operator.map(Some).map_err(|_| self.error("mnc", "makes no code with the MCC"))
    }

    /// Leading digits of numbers, at least one.
    pub(crate) fn prefix(&self, column: &'static str) -> Result<Prefix, CsvError> {
        let prefix = Prefix::parse(self.text(column)?).filter(|prefix| prefix.length() > 0);
        prefix.ok_or_else(|| self.error(column, "is not 1 to 15 digits that begin with 1 to 9"))
    }

    /// A region's code.
    pub(crate) fn region(&self, column: &'static str) -> Result<Region, CsvError> {
        let region = Region::parse(self.text(column)?);
        region.ok_or_else(|| self.error(column, "is neither two capital letters nor 001"))
    }

    /// An integer.
    pub(crate) fn number(&self, column: &'static str) -> Result<u32, CsvError> {
        self.text(column)?.parse().map_err(|_| self.error(column, "is no integer"))
    }

    /// Numbers of digits with `|` between them, as one bit each; those that no message can go to are
    /// left out.
    pub(crate) fn lengths(&self, column: &'static str) -> Result<u16, CsvError> {
        let mut lengths = 0;
        for length in self.text(column)?.split('|') {
            let length: usize =
                length.parse().map_err(|_| self.error(column, "are no numbers of digits"))?;
            if (1..=MAX_DIGITS).contains(&length) {
                lengths |= 1 << length;
            }
        }
        Ok(lengths)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_taken_off() {
        let cases: [(&str, &[&str]); 5] = [
            ("1,2", &["1", "2"]),
            ("1,,", &["1", "", ""]),
            ("1,\"a, b\",2", &["1", "a, b", "2"]),
            ("\"say \"\"so\"\"\",\"\"", &["say \"so\"", ""]),
            ("", &[""]),
        ];
        for (line, expected) in cases {
            assert_eq!(fields(line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let read = |text: &str| rows("a.csv", text, &["n"], |row| row.number("n")).unwrap_err();
        assert_eq!(read("").to_string(), "a.csv, line 1: it is empty");
        assert_eq!(read("m\n").to_string(), "a.csv, line 1: there is no column n");
        assert_eq!(
            read("n,m\n1,2\n3\n").to_string(),
            "a.csv, line 3: it has 1 fields, the heading 2"
        );
        assert_eq!(read("n\n\nx\n").to_string(), "a.csv, line 3: n \"x\" is no integer");
        assert_eq!(rows("a.csv", "m,n\n1,2\n", &["n"], |row| row.number("n")), Ok(vec![2]));
    }
}
