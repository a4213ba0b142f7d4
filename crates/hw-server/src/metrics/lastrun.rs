//! The metrics of the last run as a file, as Funnel Rocket's `METRICS_EXPORT_LASTRUN` asks for it.

use std::path::Path;

use hw_worker::{Sample, SampleFormat, samples_file};

/// Replaces the file. That it cannot be written is told in the log: the run is none the worse for it.
pub(super) async fn write(path: &Path, samples: &[Sample]) {
    let is_parquet = path.extension().is_some_and(|extension| extension == "parquet");
    let format = if is_parquet {
        SampleFormat::Parquet
    } else {
        SampleFormat::Csv
    };
    let content = match samples_file(samples, format) {
        Ok(content) => content,
        Err(failure) => {
            tracing::warn!(message = failure.message, "the metrics of a run could not be written");
            return;
        }
    };
    if let Err(error) = replace(path, &content).await {
        tracing::warn!(%error, path = %path.display(), "the metrics of a run could not be written");
    }
}

/// Whoever reads the file finds the one before or this one, never half of it.
async fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".part");
    tokio::fs::write(&unfinished, content).await?;
    tokio::fs::rename(&unfinished, path).await
}
