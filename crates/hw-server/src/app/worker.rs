//! `headwater worker`: a process that carries out tasks.

use std::time::Duration;

use futures::future::BoxFuture;
use hw_api::Problem;
use hw_worker::Drain;
use tokio::task::JoinSet;

use super::{App, AppRole, up};
use crate::config::LoadedConfig;
use crate::data_folder::DataFolder;
use crate::problem::Fault;

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
    let mut listeners = match serve_metrics(&app).await {
        Ok(listeners) => listeners,
        Err(problem) => {
            app.close().await;
            return Err(problem);
        }
    };
    tokio::select! {
        () = settings.shutdown => drain(&app.drain, patience).await,
        () = app.drain.done() => tracing::info!("the worker was drained: it ends"),
    }
    app.stop.cancel();
    while listeners.join_next().await.is_some() {}
    app.close().await;
    Ok(())
}

/// Where the settings name an address for it.
async fn serve_metrics(app: &App) -> Result<JoinSet<()>, Problem> {
    let Some(address) = app.state.config().worker.metrics else {
        return Ok(JoinSet::new());
    };
    let served = up::serve_metrics(app, address.0).await;
    let (place, listeners) = served.map_err(Fault::into_problem)?;
    tracing::info!(metrics = place, "the worker tells its metrics");
    Ok(listeners)
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
