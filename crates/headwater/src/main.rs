//! The binary: hands the router and the long-running processes to the commands.

mod logging;
mod program;

use std::process::ExitCode;

fn main() -> ExitCode {
    give_back_large_blocks();
    hw_cli::main(program::Headwater)
}

/// Blocks of memory from this size on go back to the system when they are freed.
///
/// By itself glibc raises that size to the largest block that was ever freed, and then each thread keeps what it once needed:
/// a server that passed on large batches of rows held five times the memory that was in use.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the allocator's settings have no safe form")]
fn give_back_large_blocks() {
    const LARGE_BLOCK_BYTES: libc::c_int = 1 << 20;
    // SAFETY: it stores a number, and no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES);
    }
}

/// Other allocators do so by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn give_back_large_blocks() {}
