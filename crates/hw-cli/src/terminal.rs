//! What the program is connected to: the few questions that take a system call of their own.

use std::time::Duration;

/// Columns of the terminal that standard output or, where that is piped, standard error is connected to.
#[cfg(unix)]
#[expect(unsafe_code, reason = "TIOCGWINSZ has no safe form in the standard library")]
pub(crate) fn width() -> Option<usize> {
    [libc::STDOUT_FILENO, libc::STDERR_FILENO].into_iter().find_map(|file| {
        let mut size = libc::winsize {
            ws_row: 0,
            ws_col: 0,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        // SAFETY: TIOCGWINSZ writes one `winsize` to the place given, which outlives the call; a file that is no
        // terminal, or closed, makes it fail and write nothing.
        let answer = unsafe { libc::ioctl(file, libc::TIOCGWINSZ, &raw mut size) };
        (answer == 0 && size.ws_col > 0).then(|| usize::from(size.ws_col))
    })
}

/// Columns of the terminal: not known on this platform.
#[cfg(not(unix))]
pub(crate) fn width() -> Option<usize> {
    None
}

/// How often it is looked whether anybody still reads what is written.
const LOOK_FOR_READER: Duration = Duration::from_millis(200);

/// Comes to its end when standard output is a pipe that nobody reads any more, as behind `| head -1`. Who only waits for more to
/// write would never find out.
pub(crate) async fn reader_gone() {
    while !is_reader_gone() {
        tokio::time::sleep(LOOK_FOR_READER).await;
    }
}

fn is_reader_gone() -> bool {
    let mut output = libc::pollfd {
        fd: libc::STDOUT_FILENO,
        events: 0,
        revents: 0,
    };
    #[expect(unsafe_code, reason = "the standard library cannot ask for the state of a pipe")]
    // SAFETY: one entry is passed and told, it lives through the call, and the call does not wait.
    let answer = unsafe { libc::poll(&raw mut output, 1, 0) };
    answer > 0 && output.revents & libc::POLLERR != 0
}
