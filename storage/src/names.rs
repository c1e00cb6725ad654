//! The name table: durable numbers for what the configuration names. Pure, lives nowhere; one per
//! data directory. [`crate::io::DataDir`] keeps it on the disk.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What has a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameKind {
    /// A carrier.
    Carrier,
    /// A customer.
    Customer,
    /// A route.
    Route,
}

impl NameKind {
    const ALL: [Self; 3] = [Self::Carrier, Self::Customer, Self::Route];

    fn word(self) -> &'static str {
        match self {
            Self::Carrier => "carrier",
            Self::Customer => "customer",
            Self::Route => "route",
        }
    }
}

/// Why a name table cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name table is damaged in line {line}: {why}. Restore the file from a backup")]
pub struct NameError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Numbers by kind and name. A number stands for its name for ever: a name that leaves the
/// configuration stays here, so that old records keep their meaning and no number is used twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameTable {
    numbers: BTreeMap<(NameKind, String), u32>,
    names: BTreeMap<(NameKind, u32), String>,
}

const FIRST_LINE: &str = "postrider names 1";
const CHECK: &str = "check ";

impl NameTable {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads what [`NameTable::to_text`] wrote. An empty text is an empty table.
    ///
    /// # Errors
    /// [`NameError`] when the text is not whole: a wrong number would give a customer's messages to
    /// another.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let lines: Vec<&str> = text.lines().collect();
        if lines.first() != Some(&FIRST_LINE) {
            return Err(NameError { line: 1, why: "it is not a name table of format 1" });
        }
        let last = lines.len();
        let covered = text.rfind(CHECK).and_then(|at| text.get(..at)).unwrap_or_default();
        let check = lines.last().and_then(|line| line.strip_prefix(CHECK));
        if check != Some(checksum(covered).as_str()) {
            return Err(NameError { line: last, why: "the checksum does not agree" });
        }
        let mut table = Self::default();
        for (at, line) in lines.iter().enumerate().take(last - 1).skip(1) {
            table.parse_line(line).map_err(|why| NameError { line: at + 1, why })?;
        }
        Ok(table)
    }

    /// The number of a name.
    #[must_use]
    pub fn number_of(&self, kind: NameKind, name: &str) -> Option<u32> {
        self.numbers.get(&(kind, name.to_owned())).copied()
    }

    /// The name of a number.
    #[must_use]
    pub fn name_of(&self, kind: NameKind, number: u32) -> Option<&str> {
        self.names.get(&(kind, number)).map(String::as_str)
    }

    /// The number of a name, given now if it has none: from 1 per kind, never reused. Write the
    /// table to the disk before the number goes into a record.
    ///
    /// # Panics
    /// When all 2^32 - 1 numbers are used.
    pub fn assign(&mut self, kind: NameKind, name: &str) -> u32 {
        if let Some(number) = self.number_of(kind, name) {
            return number;
        }
        let last = self.names.range((kind, 0)..=(kind, u32::MAX)).next_back();
        let last = last.map_or(0, |((_, number), _)| *number);
        assert!(last < u32::MAX, "the numbers of a {} are used up", kind.word());
        self.insert(kind, last + 1, name.to_owned());
        last + 1
    }

    /// The names of a kind with their numbers, in the order of the numbers.
    pub fn names(&self, kind: NameKind) -> impl Iterator<Item = (u32, &str)> {
        let of_kind = self.names.range((kind, 0)..=(kind, u32::MAX));
        of_kind.map(|((_, number), name)| (*number, name.as_str()))
    }

    /// The table as text: one line each (`carrier 1 acme`), then a checksum.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{FIRST_LINE}\n");
        for ((kind, number), name) in &self.names {
            // Writing to a String cannot fail.
            let written = writeln!(text, "{} {number} {}", kind.word(), escape(name));
            debug_assert!(written.is_ok());
        }
        let check = checksum(&text);
        text + CHECK + &check + "\n"
    }

    fn parse_line(&mut self, line: &str) -> Result<(), &'static str> {
        let mut words = line.splitn(3, ' ');
        let (Some(kind), Some(number), Some(name)) = (words.next(), words.next(), words.next())
        else {
            return Err("a kind, a number and a name are expected");
        };
        let kind = NameKind::ALL.into_iter().find(|known| known.word() == kind);
        let kind = kind.ok_or("the kind is not known")?;
        let number = number.parse::<u32>().ok().filter(|number| *number > 0);
        let number = number.ok_or("the number is not one")?;
        let name = unescape(name).ok_or("the name ends in a lone backslash")?;
        if self.names.contains_key(&(kind, number)) || self.number_of(kind, &name).is_some() {
            return Err("the number or the name appears twice");
        }
        self.insert(kind, number, name);
        Ok(())
    }

    fn insert(&mut self, kind: NameKind, number: u32, name: String) {
        self.names.insert((kind, number), name.clone());
        self.numbers.insert((kind, name), number);
    }
}

fn checksum(text: &str) -> String {
    format!("{:08x}", crc32c::crc32c(text.as_bytes()))
}

fn escape(name: &str) -> String {
    name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r")
}

fn unescape(text: &str) -> Option<String> {
    let mut name = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(next) = chars.next() {
        name.push(match next {
            '\\' => match chars.next()? {
                'n' => '\n',
                'r' => '\r',
                '\\' => '\\',
                _ => return None,
            },
            other => other,
        });
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_stay_and_are_counted_per_kind() {
        let mut table = NameTable::new();
        assert_eq!(table.assign(NameKind::Carrier, "acme"), 1);
        assert_eq!(table.assign(NameKind::Customer, "acme"), 1);
        assert_eq!(table.assign(NameKind::Carrier, "beta"), 2);
        assert_eq!(table.assign(NameKind::Carrier, "acme"), 1);
        assert_eq!(table.number_of(NameKind::Carrier, "beta"), Some(2));
        assert_eq!(table.number_of(NameKind::Route, "beta"), None);
        assert_eq!(table.name_of(NameKind::Carrier, 2), Some("beta"));
        let carriers: Vec<_> = table.names(NameKind::Carrier).collect();
        assert_eq!(carriers, [(1, "acme"), (2, "beta")]);
    }

    #[test]
    fn any_change_by_hand_is_noticed() {
        let mut table = NameTable::new();
        table.assign(NameKind::Carrier, "acme");
        table.assign(NameKind::Carrier, "beta");
        let text = table.to_text();
        assert!(text.starts_with("postrider names 1\ncarrier 1 acme\ncarrier 2 beta\ncheck "));
        assert!(NameTable::parse(&text.replace("2 beta", "1 beta")).is_err());
        let checked = |body: &str| NameTable::parse(&format!("{body}check {}\n", checksum(body)));
        for (body, line) in [
            ("postrider names 2\n", 1),
            ("postrider names 1\ncarrier 1 a\ncarrier 1 b\n", 3),
            ("postrider names 1\ncarrier 1 a\ncarrier 2 a\n", 3),
            ("postrider names 1\ncarrier 0 a\n", 2),
            ("postrider names 1\ncarrier 1\n", 2),
            ("postrider names 1\ncourier 1 a\n", 2),
            ("postrider names 1\ncarrier 1 a\\x\n", 2),
        ] {
            assert_eq!(checked(body).unwrap_err().line, line, "{body}");
        }
        for cut in 1..text.len() - 1 {
            assert!(NameTable::parse(text.get(..cut).unwrap()).is_err(), "cut at {cut}");
        }
    }

    proptest! {
        #[test]
        fn any_names_survive(names in prop::collection::vec("\\PC{0,12}|[\\\\\n\r a]{0,8}", 0..8)) {
            let mut table = NameTable::new();
            for name in &names {
                table.assign(NameKind::Customer, name);
            }
            prop_assert_eq!(NameTable::parse(&table.to_text()).unwrap(), table);
        }
    }
}
