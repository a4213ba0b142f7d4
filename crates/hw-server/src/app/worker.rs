//! `headwater worker`: a process that carries out tasks.

use futures::future::BoxFuture;
use hw_api::Problem;

use super::{App, AppRole};
use crate::config::LoadedConfig;
use crate::data_folder::DataFolder;

/// How a worker process is started.
pub struct WorkerProcessSettings {
    /// Tasks at a time; `None` = the settings decide.
    pub slots: Option<u32>,
    /// Labels that it carries.
    pub labels: Vec<String>,
    /// Resolves when the process shall end.
    pub shutdown: BoxFuture<'static, ()>,
}

/// Takes tasks from the data folder's store until `shutdown` resolves; then hands back what it has.
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
    let app = App::open(config, folder, role).await?;
    settings.shutdown.await;
    app.close().await;
    Ok(())
}
