//! Hearing what other processes commit: `LISTEN` on a connection of its own, outside of any transaction.
//!
//! A wake-up may be lost, with its connection for instance: after each connect, and at a slow pace all the time, the newest
//! event's number is read. That look also keeps this process's idea of the store's clock fresh.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hw_job::EventSeq;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::clock::{StoreClock, Tick, select_tick};
use super::fault::fault;
use super::writer::raise;
use crate::StoreError;
use crate::limits::{ANSWER_MAX, RECONNECT_PAUSE_MAX, RECONNECT_PAUSE_MIN};

/// Hears of commits.
pub(super) struct Ear {
    pub(super) connect: PgConnectOptions,
    pub(super) channel: String,
    pub(super) clock: StoreClock,
    /// Between two looks at the newest event.
    pub(super) pause: Duration,
    pub(super) wakes: watch::Sender<EventSeq>,
}

/// Listening under way. Dropped, it ends by itself.
pub(super) struct Listening {
    running: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

impl Listening {
    /// Ends it and waits until its connection is closed.
    pub(super) async fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, task)) = running {
            drop(stop);
            let _ = task.await;
        }
    }
}

impl Ear {
    pub(super) fn start(self) -> Listening {
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            tokio::select! {
                _ = &mut stopped => {}
                () = self.listen() => {}
            }
        });
        Listening {
            running: Mutex::new(Some((stop, task))),
        }
    }

    /// A fault only costs wake-ups: listening begins anew, after pauses that grow up to a bound.
    async fn listen(&self) {
        let mut pause = RECONNECT_PAUSE_MIN;
        loop {
            let begun = Instant::now();
            if let Err(fault) = self.listen_once().await {
                tracing::debug!(%fault, "listening for commits of other processes was interrupted");
            }
            if begun.elapsed() > self.pause {
                pause = RECONNECT_PAUSE_MIN;
            }
            sleep(pause).await;
            pause = (pause * 2).min(RECONNECT_PAUSE_MAX);
        }
    }

    async fn listen_once(&self) -> Result<(), StoreError> {
        // The driver's listener takes its connection from a pool; this one has no other.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ANSWER_MAX)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(self.connect.clone());
        let heard = self.hear(&pool).await;
        let _ = timeout(RECONNECT_PAUSE_MAX, pool.close()).await;
        heard
    }

    async fn hear(&self, pool: &PgPool) -> Result<(), StoreError> {
        let mut listener = PgListener::connect_with(pool).await.map_err(|error| fault(&error))?;
        listener.eager_reconnect(false);
        listener.listen(&self.channel).await.map_err(|error| fault(&error))?;
        loop {
            self.look(&mut listener).await?;
            let next_look = Instant::now() + self.pause;
            while let Ok(heard) = timeout_at(next_look, listener.try_recv()).await {
                let Some(told) = heard.map_err(|error| fault(&error))? else {
                    return Err(StoreError::Unreachable("the connection broke".to_owned()));
                };
                if let Ok(seq) = told.payload().parse() {
                    raise(&self.wakes, EventSeq(seq));
                }
            }
        }
    }

    async fn look(&self, listener: &mut PgListener) -> Result<(), StoreError> {
        let tick = timeout(ANSWER_MAX, sqlx::query(select_tick!()).fetch_one(listener)).await;
        let Ok(row) = tick else {
            return Err(StoreError::Unreachable("the server did not answer in time".to_owned()));
        };
        let tick = Tick::read(&row.map_err(|error| fault(&error))?)?;
        self.clock.settle(&tick);
        raise(&self.wakes, EventSeq(tick.last));
        Ok(())
    }
}
