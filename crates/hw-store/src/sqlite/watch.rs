//! Noticing what other processes commit: `PRAGMA data_version` of a connection changes with every commit of another one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hw_job::EventSeq;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::events::last_event;
use super::fault::fault;
use super::writer::raise;
use crate::StoreError;

/// Looks for commits, often while there are some, seldom while there are none.
pub(super) struct Watcher {
    pub(super) connect: SqliteConnectOptions,
    pub(super) pause_min: Duration,
    pub(super) pause_max: Duration,
    pub(super) wakes: watch::Sender<EventSeq>,
    /// The newest event known.
    pub(super) seen: EventSeq,
}

/// A watch under way. Dropped, it ends by itself.
pub(super) struct Watch {
    running: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

impl Watch {
    /// Ends the watch and waits until its connection is closed.
    pub(super) async fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, task)) = running {
            drop(stop);
            let _ = task.await;
        }
    }
}

impl Watcher {
    pub(super) fn start(self) -> Watch {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(self.watch(stopped));
        Watch {
            running: Mutex::new(Some((stop, task))),
        }
    }

    /// A fault only costs wake-ups: the watch begins anew.
    async fn watch(mut self, mut stopped: oneshot::Receiver<()>) {
        loop {
            match self.watch_once(&mut stopped).await {
                Ok(()) => return,
                Err(fault) => tracing::debug!(%fault, "the watch for commits of other processes was interrupted"),
            }
            if is_stopped_within(&mut stopped, self.pause_max).await {
                return;
            }
        }
    }

    async fn watch_once(&mut self, stopped: &mut oneshot::Receiver<()>) -> Result<(), StoreError> {
        let mut connection = self.connect.connect().await.map_err(|error| fault(&error))?;
        let ended = self.watch_connection(&mut connection, stopped).await;
        let _ = connection.close().await;
        ended
    }

    async fn watch_connection(
        &mut self,
        connection: &mut SqliteConnection,
        stopped: &mut oneshot::Receiver<()>,
    ) -> Result<(), StoreError> {
        let mut known = None;
        let mut pause = self.pause_min;
        loop {
            let version = data_version(connection).await?;
            if known == Some(version) {
                pause = (pause * 2).min(self.pause_max);
            } else {
                known = Some(version);
                pause = self.pause_min;
                self.tell(last_event(connection).await?);
            }
            if is_stopped_within(stopped, pause).await {
                return Ok(());
            }
        }
    }

    fn tell(&mut self, last: EventSeq) {
        if last > self.seen {
            self.seen = last;
            raise(&self.wakes, last);
        }
    }
}

/// Pauses; cut short, with `true`, when the watch is to end.
async fn is_stopped_within(stopped: &mut oneshot::Receiver<()>, pause: Duration) -> bool {
    tokio::select! {
        _ = stopped => true,
        () = sleep(pause) => false,
    }
}

async fn data_version(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    let row = sqlx::query("PRAGMA data_version")
        .fetch_one(connection)
        .await
        .map_err(|error| fault(&error))?;
    row.try_get(0).map_err(|error| fault(&error))
}
