//! The rim: what the program asks of its host. Nothing else in this crate reads the environment or the system's files.

use std::path::Path;
use std::thread::available_parallelism;

/// The variables of the process that are UTF-8.
pub fn process_environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Name of this host.
pub(crate) fn host_name() -> String {
    ["/proc/sys/kernel/hostname", "/etc/hostname"]
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .map(|name| name.trim().to_owned())
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}

/// Tells one run of the host from the next; empty where the host has no such id.
pub(crate) fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// Number of processors that this process may use.
pub(crate) fn processors() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// Memory that this process may use: the host's, or less where its control group sets a limit. `None` where the system
/// does not tell.
pub(crate) fn memory_bytes() -> Option<u64> {
    memory_bytes_below(Path::new("/"))
}

fn memory_bytes_below(root: &Path) -> Option<u64> {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).ok();
    let of_host = read("proc/meminfo").and_then(|text| kilobytes(&text, "MemTotal:"));
    let of_group = read("proc/self/cgroup")
        .and_then(|groups| {
            groups
                .lines()
                .find_map(|line| line.strip_prefix("0::").map(str::to_owned))
        })
        .and_then(|group| group_limit(root, &group));
    let of_old_group = read("sys/fs/cgroup/memory/memory.limit_in_bytes").and_then(|text| text.trim().parse().ok());
    [of_host, of_group, of_old_group].into_iter().flatten().min()
}

/// The least limit of a control group and those around it.
fn group_limit(root: &Path, group: &str) -> Option<u64> {
    let mount = root.join("sys/fs/cgroup");
    let own = mount.join(group.trim_start_matches('/'));
    own.ancestors()
        .take_while(|folder| folder.starts_with(&mount))
        .filter_map(|folder| std::fs::read_to_string(folder.join("memory.max")).ok())
        .filter_map(|text| text.trim().parse().ok())
        .min()
}

/// Bytes of memory that this process holds.
pub(crate) fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    kilobytes(&status, "VmRSS:")
}

/// The value of a line `NAME: 123 kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(number * 1024)
}

/// Number of users of this host who have logged in or run something; `None` where the system does not tell.
pub(crate) fn people_of_host() -> Option<usize> {
    // Accounts of people begin at 1000; 65534 is nobody.
    let users = std::fs::read_dir("/proc").ok()?;
    let mut ids: Vec<u32> = users
        .flatten()
        .filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .bytes()
                .all(|byte| byte.is_ascii_digit())
        })
        .filter_map(|entry| owner(&entry.path()))
        .filter(|id| (1000..65534).contains(id))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    Some(ids.len())
}

/// The user of this process.
pub(crate) fn user_id() -> Option<u32> {
    owner(Path::new("/proc/self"))
}

#[cfg(unix)]
pub(crate) fn owner(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|facts| facts.uid())
}

/// What kind of file system a path lies on, and whether it is one of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileSystem {
    /// The system's name for it, `ext4`.
    pub(crate) kind: String,
    /// Whether other hosts may write to it.
    pub(crate) network: bool,
}

/// The file system of a path; `None` where the system does not tell.
pub(crate) fn file_system(path: &Path) -> Option<FileSystem> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let path = path.canonicalize().ok()?;
    file_system_in(&mounts, &path)
}

const NETWORK_KINDS: &[&str] = &[
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "davfs",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "orangefs",
    "smb3",
    "smbfs",
    "virtiofs",
];

/// Reads `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`: the deepest mount point above the path counts,
/// the last one where several stand at one place.
fn file_system_in(mounts: &str, path: &Path) -> Option<FileSystem> {
    let mut best: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let Some((place, kind)) = mount_of(line) else { continue };
        let place = unescaped(place);
        let depth = Path::new(&place).components().count();
        if path.starts_with(&place) && best.is_none_or(|(known, _)| depth >= known) {
            best = Some((depth, kind));
        }
    }
    best.map(|(_, kind)| FileSystem {
        network: NETWORK_KINDS.contains(&kind) || is_network_fuse(kind),
        kind: kind.to_owned(),
    })
}

fn mount_of(line: &str) -> Option<(&str, &str)> {
    let (before, after) = line.split_once(" - ")?;
    Some((before.split(' ').nth(4)?, after.split(' ').next()?))
}

fn is_network_fuse(kind: &str) -> bool {
    let name = kind.strip_prefix("fuse.").unwrap_or_default();
    [
        "sshfs",
        "s3fs",
        "gcsfuse",
        "blobfuse",
        "rclone",
        "goofys",
        "glusterfs",
        "ceph",
    ]
    .iter()
    .any(|network| name.starts_with(network))
}

/// Blanks, tabs, line ends and backslashes are written as octal numbers there.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

#[cfg(test)]
mod tests;
