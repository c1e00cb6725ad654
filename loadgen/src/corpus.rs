//! The texts that are sent: the built-in ones (`data/corpus.ndjson`) or a file's, in order. One per
//! process, read-only once loaded.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Deserialize;

const BUILTIN: &str = include_str!("../data/corpus.ndjson");

/// The header line of a tab-separated corpus.
const TSV_HEADER: &str = "lang\tkind\ttext";

/// Texts in a fixed order; never empty.
#[derive(Debug, Clone)]
pub struct Corpus {
    texts: Vec<String>,
}

#[derive(Deserialize)]
struct Row {
    text: String,
}

impl Corpus {
    /// The texts that come with the program: short and long, in many scripts, written for it.
    #[must_use]
    pub fn builtin() -> Self {
        // A line that cannot be read would be missing here; a test counts them.
        Self { texts: BUILTIN.lines().filter_map(|line| json_text(line).ok()).collect() }
    }

    /// Reads a file: tab-separated with the header `lang<TAB>kind<TAB>text` (a text holds no line
    /// feed and no escapes), or one JSON object with a `text` a line.
    ///
    /// # Errors
    /// When the file cannot be read, a line cannot be parsed (it is named), or there is no text.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let content = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the corpus {}", path.display()))?;
        Self::parse(&content).with_context(|| format!("the corpus {}", path.display()))
    }

    /// How many texts there are, at least 1.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a corpus is never empty")]
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// The text at `index`, counted from 0; after the last one the first follows again.
    #[must_use]
    pub fn text(&self, index: usize) -> &str {
        self.texts.get(index % self.texts.len().max(1)).map_or("", String::as_str)
    }

    fn parse(content: &str) -> anyhow::Result<Self> {
        let content = content.strip_prefix('\u{feff}').unwrap_or(content);
        let mut lines = content.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        let tsv = content.lines().next() == Some(TSV_HEADER);
        if tsv {
            lines.next();
        }
        let first_line = if tsv { 2 } else { 1 };
        let mut texts = Vec::new();
        for (number, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
            let text = if tsv { tsv_text(line) } else { json_text(line) };
            texts.push(text.with_context(|| format!("line {}", number + first_line))?);
        }
        if texts.is_empty() {
            bail!("holds no text");
        }
        Ok(Self { texts })
    }
}

fn tsv_text(line: &str) -> anyhow::Result<String> {
    match line.splitn(3, '\t').nth(2) {
        Some("") => bail!("the text is empty"),
        Some(text) => Ok(text.to_owned()),
        None => bail!("expected three columns: lang, kind, text"),
    }
}

fn json_text(line: &str) -> anyhow::Result<String> {
    let row: Row = serde_json::from_str(line)
        .context("expected the header lang<TAB>kind<TAB>text, or a JSON object with a text")?;
    if row.text.is_empty() {
        bail!("the text is empty");
    }
    Ok(row.text)
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

    use std::collections::BTreeSet;

    use super::{BUILTIN, Corpus};

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Whole {
        lang: String,
        kind: String,
        text: String,
    }

    #[test]
    fn the_builtin_corpus_is_as_broad_as_promised() {
        let rows: Vec<Whole> =
            BUILTIN.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        assert!(rows.len() >= 120, "{} texts", rows.len());
        let languages: BTreeSet<&str> = rows.iter().map(|row| row.lang.as_str()).collect();
        assert!(languages.len() >= 18, "{languages:?}");
        let kinds: BTreeSet<&str> = rows.iter().map(|row| row.kind.as_str()).collect();
        for kind in ["otp", "alert", "marketing", "long", "short", "emoji"] {
            assert!(kinds.contains(kind), "no text of kind {kind}");
        }
        let texts: BTreeSet<&str> = rows.iter().map(|row| row.text.as_str()).collect();
        assert_eq!(texts.len(), rows.len(), "a text is there twice");
        let lengths: Vec<usize> = rows.iter().map(|row| row.text.chars().count()).collect();
        assert_eq!(lengths.iter().min(), Some(&1));
        assert!(
            lengths.iter().max().is_some_and(|longest| (550..=600).contains(longest)),
            "{lengths:?}"
        );
        assert_eq!(Corpus::builtin().len(), rows.len());
    }

    #[test]
    fn both_file_forms_keep_texts_as_they_are_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let tsv = folder.path().join("a.tsv");
        std::fs::write(&tsv, "lang\tkind\ttext\nen\tham\tone \\n\t two\nth\tspam\t  สวัสดี \n")
            .unwrap();
        let corpus = Corpus::load(&tsv).unwrap();
        let found = [corpus.text(0), corpus.text(1), corpus.text(2)];
        assert_eq!(found, ["one \\n\t two", "  สวัสดี ", "one \\n\t two"]);
        let json = folder.path().join("a.ndjson");
        std::fs::write(&json, "{\"text\":\"a\\nb\",\"lang\":\"en\"}\n\n{\"text\":\"c\"}").unwrap();
        let corpus = Corpus::load(&json).unwrap();
        assert_eq!((corpus.len(), corpus.text(0), corpus.text(1)), (2, "a\nb", "c"));
    }

    #[test]
    fn a_bad_line_is_named() {
        for (content, expected) in [
            ("lang\tkind\ttext\nen\tham\tok\nen\tham", "line 3"),
            ("{\"text\":\"a\"}\n{\"txt\":\"b\"}", "line 2"),
            ("lang\tkind\ttext\nen\tham\t", "line 2"),
            ("", "holds no text"),
            ("lang\tkind\ttext\n", "holds no text"),
        ] {
            let error = format!("{:#}", Corpus::parse(content).unwrap_err());
            assert!(error.contains(expected), "{content:?}: {error}");
        }
    }
}
