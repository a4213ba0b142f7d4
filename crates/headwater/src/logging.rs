//! Where logs go: standard error, as text on a terminal and as JSON otherwise.

use std::io::{self, IsTerminal as _, Write};

use tracing_subscriber::EnvFilter;

/// Sets logging up for the process; the first call counts. `level` is `off`, `error`, `warn`, `info`, `debug` or `trace`,
/// `format` is `auto`, `text` or `json`.
pub(crate) fn start(level: &str, format: &str) {
    // Libraries speak up only when something is wrong with them; more is asked for by name.
    let filter = EnvFilter::new(format!(
        "warn,hw_controller={level},hw_files={level},hw_query={level},hw_server={level},hw_store={level},hw_worker={level}"
    ));
    let filter = if level == "off" { EnvFilter::new("off") } else { filter };
    let json = format == "json" || (format == "auto" && !io::stderr().is_terminal());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Lossy)
        .log_internal_errors(false);
    let _ = if json {
        builder.json().try_init()
    } else {
        builder.try_init()
    };
}

/// Standard error, of which lines are lost where it takes none: a log on a full disk must not end what it tells of.
struct Lossy;

impl Write for Lossy {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        drop(io::stderr().write_all(text));
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
