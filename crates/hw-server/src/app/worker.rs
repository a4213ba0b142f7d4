//! `headwater worker`: a process that carries out tasks.

use std::time::Duration;

use futures::future::BoxFuture;
use hw_api::Problem;
use hw_worker::Drain;

use super::{App, AppRole};
use crate::config::LoadedConfig;
use crate::data_folder::DataFolder;

/// How a worker process is started.
pub struct WorkerProcessSettings {
    /// Tasks at a time; `None` = the settings decide.
    pub slots: Option<u32>,
    /// Labels that it carries.
    pub labels: Vec<String>,
    /// Resolves when the process shall end; it then has the setting `worker.drain` to do so.
    pub shutdown: BoxFuture<'static, ()>,
}

/// Takes tasks from the data folder's store until `shutdown` resolves or the worker was drained over the API. It then ends what it
/// has begun, and hands back what has not ended in time.
///
/// # Errors
/// What cannot be opened.
pub async fn serve_worker(
    config: LoadedConfig,
    folder: DataFolder,
    settings: WorkerProcessSettings,
) -> Result<(), Problem> {
    let role = AppRole::Worker {
        slots: settings.slots,
        labels: settings.labels,
    };
    config.log_notices();
    let patience = config.config.worker.drain.0;
    let app = App::open(config, folder, role).await?;
    tokio::select! {
        () = settings.shutdown => drain(&app.drain, patience).await,
        () = app.drain.done() => tracing::info!("the worker was drained: it ends"),
    }
    app.close().await;
    Ok(())
}

async fn drain(drain: &Drain, patience: Duration) {
    drain.begin();
    if tokio::time::timeout(patience, drain.done()).await.is_err() {
        tracing::info!(
            seconds = patience.as_secs_f64(),
            "tasks that did not end in time are handed back"
        );
    }
}
