//! The tables in the form that people and tools write: CSV with a heading, longest prefix wins.
//! NUMBERS.md in this crate describes each column. Pure, lives nowhere.

use std::collections::BTreeMap;

use super::read::read_sources;
use crate::csv::CsvError;

/// One of the tables of a set.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableKind {
    /// countries.csv: names, calling codes, what is dialled inside the country, portability.
    Countries,
    /// numbering.csv: the types of the numbers below a prefix, and how many digits they have.
    Numbering,
    /// operator_prefixes.csv: who got the mobile numbers below a prefix.
    OperatorPrefixes,
    /// operators.csv: names and codes.
    Operators,
    /// regions.csv: the region of all numbers below a prefix, in use or not.
    Regions,
}

impl TableKind {
    /// Every table.
    pub const ALL: [TableKind; 5] = [
        TableKind::Countries,
        TableKind::Numbering,
        TableKind::OperatorPrefixes,
        TableKind::Operators,
        TableKind::Regions,
    ];

    /// The name of its file.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            TableKind::Countries => "countries.csv",
            TableKind::Numbering => "numbering.csv",
            TableKind::OperatorPrefixes => "operator_prefixes.csv",
            TableKind::Operators => "operators.csv",
            TableKind::Regions => "regions.csv",
        }
    }
}

/// The file that says when the others were true, and where they are from.
pub const SOURCES: &str = "sources.csv";

/// The texts of a set: those that are part of the program, and an operator's in place of some.
#[derive(Copy, Clone, Debug)]
pub struct Forms<'a> {
    /// By [`TableKind`]: its text, and whether it is an operator's.
    tables: [(&'a str, bool); TableKind::ALL.len()],
    /// The program's sources.csv, and an operator's.
    pub(super) sources: [&'a str; 2],
}

impl<'a> Forms<'a> {
    /// The tables that are part of the program.
    pub const BUILTIN: Forms<'static> = Forms {
        tables: [
            (include_str!("../../data/countries.csv"), false),
            (include_str!("../../data/numbering.csv"), false),
            (include_str!("../../data/operator_prefixes.csv"), false),
            (include_str!("../../data/operators.csv"), false),
            (include_str!("../../data/regions.csv"), false),
        ],
        sources: [include_str!("../../data/sources.csv"), "file,as_of,source\n"],
    };

    /// The program's tables with these files, by name, in place of theirs. sources.csv names each of
    /// them; the two files about operators, which belong together, are given together.
    ///
    /// # Errors
    /// What is wrong with which file; the texts of the tables are looked at by
    /// [`Tables::read`](super::Tables::read).
    pub fn over_builtin(files: &'a BTreeMap<String, String>) -> Result<Forms<'a>, CsvError> {
        let wrong = |file: &str, what: String| CsvError { file: file.to_owned(), line: 1, what };
        let mut forms: Forms<'a> = Forms::BUILTIN;
        let known = TableKind::ALL.map(TableKind::file);
        let other = files.keys().find(|name| *name != SOURCES && !known.contains(&name.as_str()));
        if let Some(other) = other {
            let what =
                format!("there is no such table: {} and {SOURCES} are read", known.join(", "));
            return Err(wrong(other, what));
        }
        forms.sources[1] = files.get(SOURCES).map_or(forms.sources[1], String::as_str);
        let sources = read_sources(forms.sources[1])?;
        for kind in TableKind::ALL {
            let text = files.get(kind.file());
            forms = text.map_or(forms, |text| forms.with(kind, text));
            let what = match (text.is_some(), sources.contains_key(&kind)) {
                (true, false) => format!("it does not say when {} was true", kind.file()),
                (false, true) => format!("it names {}, which is not there", kind.file()),
                (true, true) | (false, false) => continue,
            };
            return Err(wrong(SOURCES, what));
        }
        let (operators, prefixes) = (TableKind::Operators, TableKind::OperatorPrefixes);
        if forms.is_own(operators) != forms.is_own(prefixes) {
            let what = "operators.csv and operator_prefixes.csv belong together: give both or none";
            return Err(wrong(operators.file(), what.to_owned()));
        }
        Ok(forms)
    }

    /// With another text of a table.
    #[must_use]
    pub fn with(mut self, kind: TableKind, text: &'a str) -> Forms<'a> {
        if let Some(place) = self.tables.get_mut(kind as usize) {
            *place = (text, true);
        }
        self
    }

    /// What tells these texts from others.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let (mut check, mut octets) = (0, 0u64);
        for text in self.tables.iter().map(|(text, _)| text).chain(&self.sources) {
            let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
            octets = octets.wrapping_add(length);
            check = crc32c::crc32c_append(check, &length.to_le_bytes());
            check = crc32c::crc32c_append(check, text.as_bytes());
        }
        octets << 32 | u64::from(check)
    }

    pub(super) fn text(&self, kind: TableKind) -> &'a str {
        self.tables.get(kind as usize).map(|(text, _)| *text).unwrap_or_default()
    }

    pub(super) fn is_own(&self, kind: TableKind) -> bool {
        self.tables.get(kind as usize).is_some_and(|(_, own)| *own)
    }
}
