#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;

use super::{file_system_in, host_name, memory_bytes, memory_bytes_below, resident_bytes};

#[track_caller]
fn check_memory(files: &[(&str, &str)], expected: Option<u64>) {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    assert_eq!(memory_bytes_below(root.path()), expected);
}

const HOST: (&str, &str) = ("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 5 kB\n");

#[test]
fn the_least_memory_limit_counts() {
    check_memory(&[], None);
    check_memory(&[HOST], Some(1_024_000));
    let group = ("proc/self/cgroup", "1:name=x:/y\n0::/a/b\n");
    let own = ("sys/fs/cgroup/a/b/memory.max", "max\n");
    check_memory(&[HOST, group, own], Some(1_024_000));
    let outer = ("sys/fs/cgroup/a/memory.max", "4096\n");
    check_memory(&[HOST, group, own, outer], Some(4096));
    let old = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "8192\n");
    check_memory(&[HOST, old], Some(8192));
    let unlimited = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    check_memory(&[HOST, unlimited], Some(1_024_000));
}

#[track_caller]
fn check_file_system(path: &str, kind: &str, network: bool) {
    let mounts = "\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 21 0:40 / /home/my\\040files rw - nfs4 server:/x rw
31 21 0:41 / /home/my\\040files/local rw - xfs /dev/sdb rw
32 21 0:42 / /mnt rw shared:2 master:1 - fuse.sshfs me@there:/ rw
33 21 0:43 / /over rw - tmpfs tmpfs rw
34 21 0:44 / /over rw - cifs //server/x rw
broken line
";
    let found = file_system_in(mounts, Path::new(path)).unwrap();
    assert_eq!((found.kind.as_str(), found.network), (kind, network), "{path}");
}

#[test]
fn the_deepest_mount_above_a_path_counts() {
    check_file_system("/home/me", "ext4", false);
    check_file_system("/home/my files/data", "nfs4", true);
    check_file_system("/home/my files/local/data", "xfs", false);
    check_file_system("/mnt/x", "fuse.sshfs", true);
    check_file_system("/mnt2", "ext4", false);
    check_file_system("/over/x", "cifs", true);
    assert_eq!(file_system_in("", Path::new("/")), None);
}

#[test]
fn this_host_tells_of_itself() {
    assert!(!host_name().is_empty());
    assert!(memory_bytes().unwrap() > 1 << 20);
    assert!(resident_bytes().unwrap() > 1 << 16);
    assert!(super::user_id().is_some());
}
