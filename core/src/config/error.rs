//! What is wrong with a configuration: every problem at once, each with its place and its remedy.
//! Pure, lives nowhere.

use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Where: a key path like `carriers[1].window`, or `line 3, column 7` for what TOML refuses.
    pub at: String,
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub mend: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)?;
        if self.mend.is_empty() { Ok(()) } else { write!(f, "; {}", self.mend) }
    }
}

/// All that is wrong, in the order of the file's sections. Never empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigErrors {
    /// The problems.
    pub problems: Vec<ConfigProblem>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl ConfigErrors {
    /// Notes a problem.
    pub(super) fn add(
        &mut self,
        at: impl Into<String>,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) {
        self.problems.push(ConfigProblem { at: at.into(), what: what.into(), mend: mend.into() });
    }

    /// The value when nothing was wrong.
    pub(super) fn or_value<T>(self, value: T) -> Result<T, ConfigErrors> {
        if self.problems.is_empty() { Ok(value) } else { Err(self) }
    }

    /// What TOML or the schema refused.
    pub(super) fn from_toml(text: &str, error: &toml::de::Error) -> Self {
        let at = match error.span() {
            Some(span) => place(text, span.start),
            None => String::from("configuration"),
        };
        let message = error.message().trim().replace('\n', ", ");
        let mut errors = ConfigErrors::default();
        match unknown_key(&message) {
            Some((key, known)) => match gone(key) {
                Some(mend) => errors.add(at, format!("`{key}` is no longer a key"), mend),
                None => errors.add(at, format!("unknown key `{key}`"), did_you_mean(key, &known)),
            },
            None => errors.add(at, message, String::new()),
        }
        errors
    }
}

fn did_you_mean(key: &str, known: &[&str]) -> String {
    match closest(key, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known keys: {}", known.join(", ")),
    }
}

/// What took the place of a key that earlier releases had.
fn gone(key: &str) -> Option<&'static str> {
    (key == "history_messages").then_some(
        "history lies on disk: take the line out; `retention_hours` and `max_segments` of [store] \
         bound how far back it goes",
    )
}

/// Line and column, both from 1, of an octet of the text.
fn place(text: &str, octet: usize) -> String {
    let before = text.get(..octet).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}")
}

/// The key and the known ones of serde's "unknown field" message.
fn unknown_key(message: &str) -> Option<(&str, Vec<&str>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (key, rest) = rest.split_once('`')?;
    let known = rest.split('`').skip(1).step_by(2).collect();
    Some((key, known))
}

/// The candidate that a mistyped word most likely meant.
pub(super) fn closest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace, swap of neighbours) between two words.
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let get = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX - 1);
            let replaced = get(&above, j) + usize::from(a != b);
            let mut best = replaced.min(get(&above, j + 1) + 1).min(get(&row, j) + 1);
            let swapped = i > 0 && j > 0 && from.get(i - 1) == Some(b) && to.get(j - 1) == Some(a);
            if swapped {
                best = best.min(get(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found() {
        let known = ["shards", "driver", "listen", "admin_listen"];
        for (word, near) in [
            ("shard", Some("shards")),
            ("lsiten", Some("listen")),
            ("adminlisten", Some("admin_listen")),
            ("colour", None),
            ("x", None),
        ] {
            assert_eq!(closest(word, known.into_iter()), near, "{word}");
        }
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("ab", "ba"), 1);
    }

    #[test]
    fn places_count_from_one() {
        assert_eq!(place("a\nbé = 1", 6), "line 2, column 4");
        assert_eq!(place("", 0), "line 1, column 1");
        assert_eq!(place("a", 99), "line 1, column 2");
    }
}
