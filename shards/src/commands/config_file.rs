//! The configuration file on disk: read, checked, and its secrets filled in. On the main thread.

use std::path::{Path, PathBuf};

use postrider_core::config::{Config, ConfigErrors};

use super::carrier_tlvs;
use super::lines::complain;
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
    #[error("{}", each_line(path, errors))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Every problem.
        errors: ConfigErrors,
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
    /// The command's exit status.
    #[must_use]
    pub const fn status(&self) -> i32 {
        match self {
            Self::Unreadable { .. } => exit::FAILED,
            Self::Invalid { .. } | Self::Tls { .. } => exit::CONFIG_INVALID,
        }
    }
}

/// One problem a line, each with the file's name before its key path.
fn each_line(path: &Path, errors: &ConfigErrors) -> String {
    let lines = errors.problems.iter().map(|problem| format!("{}: {problem}", path.display()));
    lines.collect::<Vec<_>>().join("\n")
}

/// Reads and checks a configuration file. Paths of files in it are relative to its folder.
///
/// # Errors
/// When it cannot be read, or with all that is wrong in it.
pub fn load(path: &Path) -> Result<Config, LoadError> {
    let invalid = |errors| LoadError::Invalid { path: path.to_owned(), errors };
    let text = std::fs::read_to_string(path)
        .map_err(|why| LoadError::Unreadable { path: path.to_owned(), why })?;
    let mut config = Config::parse(&text).map_err(invalid)?;
    config.resolve_files(path.parent().unwrap_or(Path::new("")));
    let mut read = |file: &Path| std::fs::read_to_string(file).map_err(|error| error.to_string());
    config.load_secrets(&mut read).map_err(invalid)?;
    let problems = carrier_tlvs::problems(&config);
    if !problems.is_empty() {
        return Err(invalid(ConfigErrors { problems }));
    }
    rt::check_tls(&config).map_err(|why| LoadError::Tls { path: path.to_owned(), why })?;
    Ok(config)
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
