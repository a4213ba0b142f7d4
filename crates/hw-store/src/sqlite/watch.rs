//! Noticing what other processes commit: `PRAGMA data_version` of a connection changes with every commit of another one.

use std::time::Duration;

use hw_job::EventSeq;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Row as _, SqliteConnection};
use tokio::sync::watch;
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

impl Watcher {
    /// Never ends. A fault only costs wake-ups: the watch begins anew.
    pub(super) async fn watch(mut self) {
        loop {
            if let Err(fault) = self.watch_connection().await {
                tracing::debug!(%fault, "the watch for commits of other processes was interrupted");
            }
            sleep(self.pause_max).await;
        }
    }

    async fn watch_connection(&mut self) -> Result<(), StoreError> {
        let mut connection = self.connect.connect().await.map_err(|error| fault(&error))?;
        let mut known = None;
        let mut pause = self.pause_min;
        loop {
            let version = data_version(&mut connection).await?;
            if known == Some(version) {
                pause = (pause * 2).min(self.pause_max);
            } else {
                known = Some(version);
                pause = self.pause_min;
                self.tell(last_event(&mut connection).await?);
            }
            sleep(pause).await;
        }
    }

    fn tell(&mut self, last: EventSeq) {
        if last > self.seen {
            self.seen = last;
            raise(&self.wakes, last);
        }
    }
}

async fn data_version(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    let row = sqlx::query("PRAGMA data_version")
        .fetch_one(connection)
        .await
        .map_err(|error| fault(&error))?;
    row.try_get(0).map_err(|error| fault(&error))
}
