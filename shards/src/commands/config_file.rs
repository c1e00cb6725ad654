//! The configuration file on disk: read, checked, and its secrets filled in. On the main thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use postrider_core::config::{Config, ConfigErrors, ConfigProblem, Followed, Plan, line_of};

use super::carrier_tlvs;
use super::lines::complain;
use crate::control::tables;
use crate::exit;
use crate::rt;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
    /// The file says what cannot be.
    #[error("{}", each_line(path, errors, text))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Every problem.
        errors: ConfigErrors,
        /// What it says.
        text: String,
    },
    /// A certificate or key that it names cannot be used.
    #[error("{}: {why:#}", path.display())]
    Tls {
        /// The file of the configuration.
        path: PathBuf,
        /// What is wrong, and with what.
        why: anyhow::Error,
    },
}

impl LoadError {
    /// What is wrong with a file that could be read.
    #[must_use]
    pub fn invalid(path: &Path, errors: ConfigErrors) -> Self {
        // Only to say where: without it there is no line.
        let text = std::fs::read_to_string(path).unwrap_or_default();
        Self::Invalid { path: path.to_owned(), errors, text }
    }

    /// The command's exit status.
    #[must_use]
    pub const fn status(&self) -> i32 {
        match self {
            Self::Unreadable { .. } => exit::FAILED,
            Self::Invalid { .. } | Self::Tls { .. } => exit::CONFIG_INVALID,
        }
    }
}

/// One problem a line, each with the file's name, and the line where it has one, before its key path.
fn each_line(path: &Path, errors: &ConfigErrors, text: &str) -> String {
    let path = path.display();
    let told = |problem: &ConfigProblem| match line_of(text, &problem.at) {
        Some(line) => format!("{path}:{line}: {problem}"),
        None => format!("{path}: {problem}"),
    };
    errors.problems.iter().map(told).collect::<Vec<_>>().join("\n")
}

/// Reads and checks a configuration file. Paths of files in it are relative to its folder.
///
/// # Errors
/// When it cannot be read, or with all that is wrong in it.
pub fn load(path: &Path) -> Result<Config, LoadError> {
    let text = std::fs::read_to_string(path)
        .map_err(|why| LoadError::Unreadable { path: path.to_owned(), why })?;
    let invalid = |errors| LoadError::invalid(path, errors);
    let mut config = Config::parse(&text).map_err(invalid)?;
    config.resolve_files(path.parent().unwrap_or(Path::new("")));
    let mut read = |file: &Path| std::fs::read_to_string(file).map_err(|error| error.to_string());
    config.load_secrets(&mut read).map_err(invalid)?;
    adopt_tables(&mut config).map_err(invalid)?;
    for table in &mut config.ported {
        table.octets = std::fs::metadata(&table.file).ok().map(|file| file.len());
    }
    let problems = carrier_tlvs::problems(&config);
    if !problems.is_empty() {
        return Err(invalid(ConfigErrors { problems }));
    }
    rt::check_tls(&config).map_err(|why| LoadError::Tls { path: path.to_owned(), why })?;
    Ok(config)
}

/// Reads the tables of numbers that the configuration names.
fn adopt_tables(config: &mut Config) -> Result<(), ConfigErrors> {
    let Some(path) = &config.numbers.tables else { return Ok(()) };
    match tables::read(path) {
        Ok(read) => config.adopt_tables(Arc::new(read.tables)),
        Err(why) => {
            let (at, what) = (String::from("numbers.tables"), format!("{why:#}"));
            let mend =
                String::from("mend it, or remove the line to go by the program's own tables");
            Err(ConfigErrors { problems: vec![ConfigProblem { at, what, mend }] })
        }
    }
}

/// The same, for a process that goes by the configuration `before` on so many shards: fitted behind
/// that.
///
/// # Errors
/// As [`load`], and when it does not fit the shards.
pub fn load_behind(path: &Path, before: &Config, shards: u16) -> Result<Followed, LoadError> {
    let mut config = load(path)?;
    let invalid = |errors| LoadError::invalid(path, errors);
    let waiting = config.keep_until_restart(before);
    // In the order of the file, so that what is wrong is named as it is there.
    Plan::new(&config, shards).map_err(invalid)?;
    let followed = config.follow(before).map_err(invalid)?;
    Ok(Followed { waiting, ..followed })
}

/// The cores to plan for: those asked for, else those that this process may run on.
#[must_use]
pub fn cores(asked: Option<u16>) -> u16 {
    asked.unwrap_or_else(|| {
        let here = std::thread::available_parallelism().map_or(1, usize::from);
        u16::try_from(here).unwrap_or(u16::MAX)
    })
}

/// Says on standard error why there is no configuration, and gives the exit status.
pub fn refuse(error: &LoadError) -> i32 {
    complain(&format!("the configuration cannot be used\n{error}"));
    error.status()
}
