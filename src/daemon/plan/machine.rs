//! What the machine says about itself: files of `/proc`, `/sys` and of the control group.
//!
//! What a container hides, or an older kernel does not have, is `None`, never an error.

use std::fs;
use std::path::{Path, PathBuf};

/// The most of something that has no bound.
pub(super) const UNBOUNDED: u64 = u64::MAX;

/// This machine.
pub(super) struct Machine {
    root: PathBuf,
    /// Whose limits and whose control group they are, as `/proc` names it.
    process: String,
    /// Cores that this process may use.
    pub(super) processors: Option<u64>,
}

impl Machine {
    /// The one that the program runs on, as a process sees it: this one, or another.
    pub(super) fn here(pid: Option<u32>) -> Machine {
        let processors = std::thread::available_parallelism().ok().map(|count| count.get() as u64);
        let process = pid.map_or("self".to_owned(), |pid| pid.to_string());
        Machine { root: PathBuf::from("/"), process, processors }
    }

    /// One whose files lie in a folder.
    #[cfg(test)]
    pub(super) fn at(root: &Path, processors: u64) -> Machine {
        Machine { root: root.to_owned(), process: "self".to_owned(), processors: Some(processors) }
    }

    fn read(&self, path: impl AsRef<Path>) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok()
    }

    fn of_process(&self, file: &str) -> Option<String> {
        self.read(Path::new("proc").join(&self.process).join(file))
    }

    /// Whether the process is there.
    pub(super) fn has_process(&self) -> bool {
        self.root.join("proc").join(&self.process).is_dir()
    }

    /// The numbers of a sysctl.
    pub(super) fn sysctl(&self, name: &str) -> Option<Vec<u64>> {
        let text = self.read(Path::new("proc/sys").join(name.replace('.', "/")))?;
        let numbers: Option<Vec<u64>> = text.split_whitespace().map(|word| word.parse().ok()).collect();
        numbers.filter(|numbers| !numbers.is_empty())
    }

    /// Whether the kernel's firewall follows connections: there is no such table until somebody wants it.
    pub(super) fn follows_connections(&self) -> Option<bool> {
        let net = self.root.join("proc/sys/net");
        net.join("core").is_dir().then(|| net.join("netfilter/nf_conntrack_max").exists())
    }

    /// The hard limit of descriptors of a table.
    pub(super) fn descriptors(&self) -> Option<u64> {
        let text = self.of_process("limits")?;
        let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        bound(line.split_whitespace().nth(1)?, "unlimited")
    }

    /// A line of `/proc/meminfo`, in bytes.
    pub(super) fn memory(&self, field: &str) -> Option<u64> {
        let text = self.read("proc/meminfo")?;
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
        let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kilobytes.checked_mul(1024)
    }

    /// The lowest bound of this name in the process's control group and those around it (version 2 only).
    pub(super) fn control_group(&self, name: &str) -> Option<u64> {
        let group = self.of_process("cgroup")?;
        let group = group.lines().find_map(|line| line.strip_prefix("0::"))?;
        let mount = Path::new("sys/fs/cgroup");
        self.read(mount.join("cgroup.controllers"))?;
        let inside = mount.join(group.trim_start_matches('/'));
        let groups = inside.ancestors().take_while(|path| path.starts_with(mount));
        let bounds = groups.filter_map(|path| bound(self.read(path.join(name))?.trim(), "max"));
        Some(bounds.min().unwrap_or(UNBOUNDED))
    }

    /// The first two numbers of the kernel's version.
    pub(super) fn kernel(&self) -> Option<Vec<u64>> {
        let text = self.read("proc/sys/kernel/osrelease")?;
        let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map_while(|word| word.parse().ok());
        Some(vec![numbers.next()?, numbers.next()?])
    }
}

fn bound(text: &str, none: &str) -> Option<u64> {
    if text == none { Some(UNBOUNDED) } else { text.parse().ok() }
}
