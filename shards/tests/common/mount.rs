//! A file system in a file, for tests that fill it or shut it down: mounted where only the test and its
//! processes see it, and gone when they are. Needs root, loop devices and the file system's own tools.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{HUNG, until};

/// Set in a test that has its own mounts.
const INSIDE: &str = "POSTRIDER_TEST_MOUNTS";

#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Ext4,
    Xfs,
}

impl Kind {
    fn make(self) -> Command {
        let (program, quietly): (_, &[_]) = match self {
            // Nothing is kept back for root.
            Self::Ext4 => ("mkfs.ext4", &["-q", "-F", "-m", "0"]),
            Self::Xfs => ("mkfs.xfs", &["-q", "-f"]),
        };
        let mut command = Command::new(program);
        command.args(quietly);
        command
    }
}

fn runs(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

#[track_caller]
fn run(command: &mut Command) {
    let ended = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(ended.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ended.stderr));
}

/// Why no file system can be mounted here. Fails where everything is there but a tool that must be.
fn hindrance(tools: &[&str]) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root can mount file systems".to_owned());
    }
    for tool in [&["unshare", "mount", "umount"], tools].concat() {
        if !runs(Command::new("sh").args(["-c", &format!("command -v {tool}")])) {
            // .ci/run installs them.
            assert!(std::env::var_os("CI").is_none(), "{tool} is missing");
            return Some(format!("{tool} is not installed"));
        }
    }
    if !Path::new("/dev/loop-control").exists() {
        return Some("this machine has no loop devices (/dev/loop-control)".to_owned());
    }
    let probe = "mount -t tmpfs none /mnt && losetup --find";
    if !runs(Command::new("unshare").args(["--mount", "sh", "-c", probe])) {
        return Some("this machine lets nobody mount, or has no loop device left".to_owned());
    }
    None
}

/// Whether the test has its own mounts. If not, the test called `name` of this file is run again with
/// some, or a line says why it cannot be.
pub(crate) fn inside(name: &str, tools: &[&str]) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if let Some(why) = hindrance(tools) {
        eprintln!("{name}: skipped: {why}");
        return false;
    }
    let mut again = Command::new("unshare");
    again.args(["--mount", "--propagation", "private"]).arg(std::env::current_exe().unwrap());
    again.args(["--exact", name, "--nocapture"]).env(INSIDE, "1");
    assert!(again.status().unwrap().success(), "{name} failed");
    false
}

/// A mounted file system.
pub(crate) struct Mount {
    image: PathBuf,
    pub(crate) path: PathBuf,
}

impl Mount {
    /// Makes one of `mib` MiB in `folder`, and mounts it.
    pub(crate) fn new(folder: &Path, kind: Kind, mib: u64) -> Self {
        let (image, path) = (folder.join("image"), folder.join("mounted"));
        std::fs::File::create(&image).unwrap().set_len(mib << 20).unwrap();
        std::fs::create_dir(&path).unwrap();
        run(kind.make().arg(&image));
        let mount = Self { image, path };
        mount.mount();
        mount
    }

    pub(crate) fn mount(&self) {
        run(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.path));
    }

    /// Ends the file system at once, as a crash of the operating system would: what was not synced is
    /// gone, its own journal included.
    pub(crate) fn shut_down(&self) {
        run(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(&self.path));
    }

    pub(crate) fn unmount(&self) {
        // The rings of a process that has ended keep its files for a moment.
        until("nobody uses the file system", HUNG, || runs(Command::new("umount").arg(&self.path)));
    }
}
