//! How much memory this process may use, and how much of it is left.
//!
//! The smaller of what the machine has and what the control groups of the process allow, versions 1 and 2, as files on
//! Linux tell it. In a container the groups' root is the container's own.

use std::path::{Path, PathBuf};

/// Physical memory, or what a control group allows if that is less; `None` where the system does not tell.
pub(super) fn usable_bytes() -> Option<usize> {
    let physical = physical_bytes()?;
    Some(groups().iter().filter_map(Group::limit).fold(physical, usize::min))
}

/// What can be used without another process, or a cache that is in use, having to make room; `None` where the system
/// does not tell.
pub(super) fn available_bytes() -> Option<usize> {
    let machine = available_in(&std::fs::read_to_string("/proc/meminfo").ok()?)?;
    let left = |group: &Group| Some(group.limit()?.saturating_sub(group.usage()?));
    Some(groups().iter().filter_map(left).fold(machine, usize::min))
}

/// The line `MemAvailable` of `/proc/meminfo`, in bytes.
fn available_in(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}

#[cfg(unix)]
fn physical_bytes() -> Option<usize> {
    // SAFETY: `sysconf` reads a constant of the system.
    let (pages, page) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    usize::try_from(pages).ok()?.checked_mul(usize::try_from(page).ok()?)
}

#[cfg(not(unix))]
fn physical_bytes() -> Option<usize> {
    None
}

/// A control group that may limit memory.
struct Group {
    folder: PathBuf,
    limit: &'static str,
    usage: &'static str,
}

impl Group {
    fn limit(&self) -> Option<usize> {
        read(&self.folder.join(self.limit))
    }

    fn usage(&self) -> Option<usize> {
        read(&self.folder.join(self.usage))
    }
}

/// A file that holds a number; `max` is none.
fn read(path: &Path) -> Option<usize> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The groups of this process, and those they are in.
fn groups() -> Vec<Group> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    groups_in(&groups)
}

/// The groups that the lines of `/proc/self/cgroup` name: `0::/path`, or `number:controllers:/path` in version 1.
fn groups_in(lines: &str) -> Vec<Group> {
    let mut groups = Vec::new();
    for line in lines.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, limit, usage) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max", "memory.current"),
            _ if controllers.split(',').any(|controller| controller == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
            }
            _ => continue,
        };
        let innermost = Path::new(root).join(path.trim_start_matches('/'));
        let up_to_root = innermost.ancestors().take_while(|folder| folder.starts_with(root));
        groups.extend(up_to_root.map(|folder| Group { folder: folder.to_owned(), limit, usage }));
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_those_of_either_version_and_their_parents() {
        let groups = groups_in("5:cpu:/x\n4:memory,hugetlb:/a/b\n0::/c\n");
        let files: Vec<String> =
            groups.iter().map(|group| group.folder.join(group.limit).display().to_string()).collect();
        assert_eq!(
            files,
            [
                "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes",
                "/sys/fs/cgroup/c/memory.max",
                "/sys/fs/cgroup/memory.max",
            ]
        );
    }

    #[test]
    fn available_memory_is_in_kibibytes() {
        let meminfo = "MemTotal:       16384 kB\nMemFree:          10 kB\nMemAvailable:    2048 kB\n";
        assert_eq!(available_in(meminfo), Some(2 << 20));
        assert_eq!(available_in("MemTotal: 1 kB\n"), None);
    }
}
