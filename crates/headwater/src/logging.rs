//! Where logs go: standard error, as text on a terminal and as JSON otherwise.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Sets logging up for the process; the first call counts. `level` is `off`, `error`, `warn`, `info`, `debug` or `trace`,
/// `format` is `auto`, `text` or `json`.
pub(crate) fn start(level: &str, format: &str) {
    // Libraries speak up only when something is wrong with them; more is asked for by name.
    let filter = EnvFilter::new(format!(
        "warn,hw_controller={level},hw_files={level},hw_query={level},hw_server={level},hw_store={level},hw_worker={level}"
    ));
    let filter = if level == "off" { EnvFilter::new("off") } else { filter };
    let json = format == "json" || (format == "auto" && !std::io::stderr().is_terminal());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let _ = if json {
        builder.json().try_init()
    } else {
        builder.try_init()
    };
}
