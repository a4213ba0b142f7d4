//! The size of the terminal, the one thing that takes a system call of its own.

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
