//! Checks of the files beside the segments. On the main thread; reads only.

use postrider_storage::io::FileDisk;
use postrider_storage::{Disk as _, SideFile};

/// Where a side file is damaged, in bytes, as far as that can be said; and how.
pub(super) type SideFault = (Option<u64>, String);

/// Checks one side file from its first byte to its last.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check_side_file(file: SideFile, disk: &mut FileDisk) -> Result<(), SideFault> {
    let mut byte = [0];
    disk.read_side(file, 0, &mut byte).map_err(|error| (None, error.to_string()))?;
    Ok(())
}
