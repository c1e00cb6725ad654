//! The tables of numbers that a configuration names: a folder of CSV files, or a snapshot of them.
//! Blocking; on the main thread at a start and on the control thread later.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use postrider_core::csv::CsvError;
use postrider_core::limits::TABLES_FILE_MAX;
use postrider_core::numbering::{Forms, Tables, snapshot_made_of};
use postrider_storage::io::replace;

/// The snapshot that stands beside the CSV files that it was made of.
pub const SNAPSHOT: &str = "tables.snapshot";

/// Tables, and what they were read from.
#[derive(Debug)]
pub struct ReadTables {
    /// The tables.
    pub tables: Tables,
    /// The CSV files or the snapshot, in words.
    pub from: String,
}

/// Reads the tables at a path: a snapshot, or a folder of CSV files, of which the snapshot beside them
/// is taken where it was made of just these files.
///
/// # Errors
/// What is wrong, with file and, in a CSV file, line.
pub fn read(path: &Path) -> Result<ReadTables> {
    if !path.is_dir() {
        let tables = snapshot(path)?;
        return Ok(ReadTables { tables, from: String::from("the snapshot") });
    }
    let files = files(path)?;
    let forms = Forms::over_builtin(&files).map_err(|error| within(path, error))?;
    let beside = path.join(SNAPSHOT);
    let why = match up_to_date(&beside, &forms) {
        Ok(tables) => return Ok(ReadTables { tables, from: format!("{SNAPSHOT} in the folder") }),
        Err(why) => why,
    };
    let tables = Tables::read(&forms).map_err(|error| within(path, error))?;
    let why = why.map_or_else(String::new, |why| format!("; {SNAPSHOT} is left alone: {why:#}"));
    Ok(ReadTables { tables, from: format!("CSV files{why}") })
}

/// The snapshot at a path, when it was made of these texts; else why it does not count, if it is there.
fn up_to_date(path: &Path, forms: &Forms<'_>) -> Result<Tables, Option<anyhow::Error>> {
    let octets = match octets(path) {
        Ok(octets) => octets,
        Err(error) if is_missing(&error) => return Err(None),
        Err(error) => return Err(Some(error)),
    };
    let made_of = snapshot_made_of(&octets).map_err(|why| Some(why.into()))?;
    if made_of != forms.fingerprint() {
        return Err(Some(anyhow::anyhow!("it was made of other files")));
    }
    Tables::from_snapshot(&octets).map_err(|why| Some(why.into()))
}

fn snapshot(path: &Path) -> Result<Tables> {
    Tables::from_snapshot(&octets(path)?).with_context(|| path.display().to_string())
}

/// What became of a snapshot.
#[derive(Debug)]
pub struct BuiltTables {
    /// The tables in it.
    pub tables: Tables,
    /// Where it is.
    pub snapshot: PathBuf,
    /// Its octets, where it was written; `None` where it was up to date.
    pub written: Option<usize>,
}

/// Makes the snapshot of a folder of CSV files, unless it is there already. `to`: a file, or the folder
/// that it goes to.
///
/// # Errors
/// What is wrong with the files or the disk; then nothing has changed.
pub fn build(from: &Path, to: &Path) -> Result<BuiltTables> {
    if !from.is_dir() {
        bail!("{} is no folder of CSV files", from.display());
    }
    let snapshot = if to.is_dir() { to.join(SNAPSHOT) } else { to.to_owned() };
    let files = files(from)?;
    let forms = Forms::over_builtin(&files).map_err(|error| within(from, error))?;
    if let Ok(tables) = up_to_date(&snapshot, &forms) {
        return Ok(BuiltTables { tables, snapshot, written: None });
    }
    let tables = Tables::read(&forms).map_err(|error| within(from, error))?;
    let file = tables.to_snapshot()?;
    replace(&snapshot, |output| -> Result<()> {
        output.write_all(&file).with_context(|| format!("cannot write {}", snapshot.display()))
    })?;
    Ok(BuiltTables { tables, snapshot, written: Some(file.len()) })
}

/// The error with the whole name of its file.
fn within(folder: &Path, error: CsvError) -> CsvError {
    CsvError { file: folder.join(&error.file).display().to_string(), ..error }
}

/// The CSV files of a folder, by name. One that is none of a set's is refused later, so that a slip in a
/// name is no silent loss.
fn files(folder: &Path) -> Result<BTreeMap<String, String>> {
    let named = || folder.display().to_string();
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).with_context(named)? {
        let path = entry.with_context(named)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name.filter(|name| name.ends_with(".csv")) else { continue };
        files.insert(name.to_owned(), text(&path)?);
    }
    if files.is_empty() {
        bail!("{} holds no CSV file", named());
    }
    Ok(files)
}

fn text(path: &Path) -> Result<String> {
    String::from_utf8(octets(path)?).map_err(|error| {
        let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = before.split(|octet| *octet == b'\n').count();
        anyhow::anyhow!("{}, line {line}: it is not UTF-8", path.display())
    })
}

fn octets(path: &Path) -> Result<Vec<u8>> {
    let named = || path.display().to_string();
    let file = File::open(path).with_context(named)?;
    let mut octets = Vec::new();
    file.take(TABLES_FILE_MAX + 1).read_to_end(&mut octets).with_context(named)?;
    if u64::try_from(octets.len()).is_ok_and(|own| own > TABLES_FILE_MAX) {
        bail!("{} has more than {} MiB", named(), TABLES_FILE_MAX >> 20);
    }
    Ok(octets)
}

fn is_missing(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::NotFound)
}
