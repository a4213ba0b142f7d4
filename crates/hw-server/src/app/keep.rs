//! Housekeeping while a process runs.

use std::sync::Arc;
use std::time::Duration;

use hw_files::{Files, sweep};
use hw_store::{NewSession, Retention, Store};
use hw_worker::Worker;
use tokio_util::sync::CancellationToken;

/// Pause between two rounds of removing what is over.
const ROUND: Duration = Duration::from_secs(600);

/// Renews the session until `end` fires. A session that was given up meanwhile (the host slept) is begun anew, and its
/// worker, which was forgotten with it, announced again.
pub(super) async fn session_alive(
    store: Arc<dyn Store>,
    session: NewSession,
    worker: Arc<Worker>,
    end: CancellationToken,
) {
    let mut ticks = tokio::time::interval(session.lease / 3);
    loop {
        tokio::select! {
            () = end.cancelled() => return,
            _ = ticks.tick() => {}
        }
        match store.renew_session(&session.id, session.lease).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!("this process was taken for dead; it starts a new session");
                if let Err(error) = worker.revive().await {
                    tracing::warn!(%error, "the session could not be started anew");
                }
            }
            Err(error) => tracing::warn!(%error, "the session could not be renewed"),
        }
    }
}

/// What is over.
pub(super) struct Limits {
    /// Records that are older.
    pub(super) retention: Retention,
    /// Files that were announced so long ago and never confirmed belong to nobody.
    pub(super) grace: Duration,
}

/// Removes what is over, now and then, until `end` fires.
pub(super) async fn in_order(store: Arc<dyn Store>, files: Arc<Files>, limits: Limits, end: CancellationToken) {
    let mut rounds = tokio::time::interval(ROUND);
    loop {
        tokio::select! {
            () = end.cancelled() => return,
            _ = rounds.tick() => {}
        }
        tokio::select! {
            () = end.cancelled() => return,
            () = prune(&*store, &limits.retention) => {}
        }
        match sweep(&files, limits.grace).await {
            Ok(swept) => tracing::debug!(files = swept.files, failures = swept.failures.len(), "files swept"),
            Err(error) => tracing::warn!(%error, "files could not be swept"),
        }
    }
}

/// Each call of the store removes a bounded number of rows, so that others get their turn.
async fn prune(store: &dyn Store, limits: &Retention) {
    loop {
        match store.prune(limits).await {
            Ok(0) => return,
            Ok(rows) => tracing::debug!(rows, "rows pruned"),
            Err(error) => {
                tracing::warn!(%error, "the store could not be pruned");
                return;
            }
        }
        tokio::task::yield_now().await;
    }
}
