//! Where logs go: standard error, as text on a terminal and as JSON otherwise; or a file.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::sync::Arc;

use hw_api::Problem;
use hw_server::LogSettings;
use tracing_subscriber::EnvFilter;

/// Sets logging up for the process; the first call counts.
///
/// # Errors
/// The settings name a file that cannot be written.
pub(crate) fn start(level: &str, settings: &LogSettings) -> Result<(), Box<Problem>> {
    // Libraries speak up only when something is wrong with them; more is asked for by name.
    let filter = EnvFilter::new(format!(
        "warn,hw_controller={level},hw_files={level},hw_query={level},hw_server={level},hw_store={level},hw_worker={level}"
    ));
    let filter = if level == "off" { EnvFilter::new("off") } else { filter };
    let file = settings.file.as_deref().filter(|_| level != "off");
    let file = file.map(open).transpose()?;
    let is_shown = file.is_none() && io::stderr().is_terminal();
    let json = settings.format == "json" || (settings.format == "auto" && !is_shown);
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(is_shown)
        .with_writer(move || Lossy(file.clone()))
        .log_internal_errors(false);
    let _ = if json {
        builder.json().try_init()
    } else {
        builder.try_init()
    };
    Ok(())
}

/// The file, to which lines are added at its end.
fn open(path: &Path) -> Result<Arc<File>, Box<Problem>> {
    let opened = File::options().create(true).append(true).open(path);
    opened.map(Arc::new).map_err(|error| {
        let detail = format!("the log file `{}` cannot be written: {error}", path.display());
        let problem = Problem::new(422, "HW-C018", "the log cannot be written", detail);
        Box::new(problem.help("name another file with the setting `log.file`, or none"))
    })
}

/// The file or standard error, of which lines are lost where it takes none: a log on a full disk must not end what it tells of.
struct Lossy(Option<Arc<File>>);

impl Write for Lossy {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        drop(match &self.0 {
            Some(file) => (&**file).write_all(text),
            None => io::stderr().write_all(text),
        });
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
