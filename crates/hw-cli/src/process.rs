//! The end of the process.

use std::io::Write as _;

use hw_api::ExitCode;

/// Ends the process at once: what was said is written, and nothing else runs.
///
/// `exit` of the C library takes things down while threads that nobody waits for still use them: those of a runtime that was
/// shut down in the background, or of the rest of the program where a second Ctrl-C ends it. It is not needed: what is to
/// last was closed before, or outlasts the loss of the process in any case.
#[cfg(unix)]
#[expect(
    unsafe_code,
    reason = "the standard library's exits run the handlers of the C library"
)]
pub(crate) fn leave(code: ExitCode) -> ! {
    flush();
    // SAFETY: it takes a number and does not come back; no memory is touched.
    unsafe { libc::_exit(code as i32) }
}

/// Ends the process: what was said is written.
#[cfg(not(unix))]
pub(crate) fn leave(code: ExitCode) -> ! {
    flush();
    std::process::exit(code as i32)
}

/// Where nobody reads any more, nothing can be done about it.
fn flush() {
    let _ = std::io::stdout().flush();
    let _ = std::io::stderr().flush();
}
