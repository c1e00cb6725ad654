//! The only place of this crate that touches files, compio and the clock. [`DataDir`] lives on the
//! thread that starts the process, [`FileDisk`] goes to whichever thread does the blocking work,
//! [`LogFile`] and [`FileReader`] live on their shard's thread.

mod dir;
mod disk;
mod exchange;
mod file;
mod look;
mod mapped;
mod reader;
mod sys;

pub use dir::{DIR_FORMAT, DataDir, DirEpoch, OpenDirError, contents_dir, log_dir};
pub use disk::FileDisk;
pub use file::{LogFile, Probe, probe};
pub use look::DirView;
pub use mapped::Mapped;
pub use reader::FileReader;
pub use sys::replace;
