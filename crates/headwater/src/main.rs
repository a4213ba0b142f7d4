//! The binary: hands the router and the long-running processes to the commands.

mod logging;
mod program;

fn main() {
    say_when_memory_goes_back();
    hw_cli::main(program::Headwater);
}

/// Blocks of memory from a size on go back to the system when they are freed; of the memory of smaller ones, what is free at
/// its end and beyond a limit, for each of glibc's arenas.
///
/// By itself glibc raises the size to the largest block that was ever freed, and then each thread keeps what it once needed:
/// a server that passed on large batches of rows held five times the memory that was in use. With a size of our own it leaves the
/// limit at 128 KiB, and each task of a query faults the same pages in again.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the allocator's settings have no safe form")]
fn say_when_memory_goes_back() {
    const LARGE_BLOCK_BYTES: libc::c_int = 1 << 20;
    const FREE_BYTES_KEPT: libc::c_int = 4 << 20;
    // SAFETY: it stores numbers, and no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, FREE_BYTES_KEPT);
    }
}

/// Other allocators do so by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn say_when_memory_goes_back() {}
