//! Processes, their workers, and tokens.

use std::time::Duration;

use async_trait::async_trait;
use hw_job::{SessionId, WorkerId};

use super::MemoryStore;
use super::state::{SessionEntry, State};
use crate::journal::Journal;
use crate::sessions::unknown_session;
use crate::{NewSession, SessionRecord, SessionStore, StoreError, TokenRecord, WorkerRecord};

#[async_trait]
impl SessionStore for MemoryStore {
    async fn start_session(&self, session: NewSession) -> Result<(), StoreError> {
        self.write(|state, _, now| {
            let known = state
                .sessions
                .get(&session.id)
                .map(|entry| (entry.number, entry.started));
            let (number, started) = known.unwrap_or_else(|| {
                state.session_number_last += 1;
                (state.session_number_last, now)
            });
            let lease_until = now.elapsed.after(session.lease);
            let entry = SessionEntry {
                number,
                started,
                lease_until,
                session: session.clone(),
            };
            state.sessions.insert(session.id, entry);
            Ok(())
        })
    }

    async fn renew_session(&self, id: &SessionId, lease: Duration) -> Result<bool, StoreError> {
        self.write(|state, _, now| {
            let entry = state.sessions.get_mut(id);
            Ok(entry
                .map(|entry| entry.lease_until = now.elapsed.after(lease))
                .is_some())
        })
    }

    async fn end_session(&self, id: &SessionId) -> Result<(), StoreError> {
        self.write(|state, journal, now| {
            state.sessions.remove(id);
            for worker in state.workers_of(id) {
                state.workers.remove(&worker);
                state.give_up_tasks(&worker, now);
                journal.worker_left(&worker, id);
            }
            state.disown_jobs(id);
            Ok(())
        })
    }

    async fn list_sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        Ok(self.read(|state, now| {
            let mut entries: Vec<&SessionEntry> = state.sessions.values().collect();
            entries.sort_by_key(|entry| entry.number);
            let record = |entry: &SessionEntry| SessionRecord {
                session: entry.session.clone(),
                started_at: entry.started.wall,
                expired: entry.lease_until <= now.elapsed,
            };
            entries.into_iter().map(record).collect()
        }))
    }

    async fn put_worker(&self, worker: WorkerRecord) -> Result<(), StoreError> {
        self.write(|state, journal: &mut Journal, _| {
            if !state.sessions.contains_key(&worker.session) {
                return Err(unknown_session(&worker));
            }
            if !state.workers.contains_key(&worker.id) {
                journal.worker_joined(&worker.id, &worker.session);
            }
            state.workers.insert(worker.id.clone(), worker);
            Ok(())
        })
    }

    async fn drain_worker(&self, worker: &WorkerId, draining: bool) -> Result<bool, StoreError> {
        self.write(|state, _, _| {
            let worker = state.workers.get_mut(worker);
            Ok(worker.map(|worker| worker.draining = draining).is_some())
        })
    }

    async fn list_workers(&self) -> Result<Vec<WorkerRecord>, StoreError> {
        Ok(self.read(|state, _| {
            let record = |worker: &WorkerRecord| WorkerRecord {
                running: u32::try_from(state.tasks_of(&worker.id).len()).unwrap_or(u32::MAX),
                ..worker.clone()
            };
            state.workers.values().map(record).collect()
        }))
    }

    async fn create_token(&self, token: TokenRecord) -> Result<bool, StoreError> {
        self.write(|state, _, _| {
            let free = !state.tokens.contains_key(&token.name);
            if free {
                state.tokens.insert(token.name.clone(), token);
            }
            Ok(free)
        })
    }

    async fn find_token(&self, hash: &str) -> Result<Option<TokenRecord>, StoreError> {
        Ok(self.read(|state, _| state.tokens.values().find(|token| token.hash == hash).cloned()))
    }

    async fn list_tokens(&self) -> Result<Vec<TokenRecord>, StoreError> {
        Ok(self.read(|state, _| state.tokens.values().cloned().collect()))
    }

    async fn drop_token(&self, name: &str) -> Result<bool, StoreError> {
        self.write(|state, _, _| Ok(state.tokens.remove(name).is_some()))
    }
}

impl State {
    fn workers_of(&self, session: &SessionId) -> Vec<WorkerId> {
        let workers = self.workers.values().filter(|worker| worker.session == *session);
        workers.map(|worker| worker.id.clone()).collect()
    }

    /// Running tasks of the worker.
    pub(super) fn tasks_of(&self, worker: &WorkerId) -> Vec<(u64, u32)> {
        let holds = |(number, index): &&(u64, u32)| {
            let task = self.jobs.get(number).and_then(|job| job.task(*index));
            task.is_some_and(|task| task.record.worker.as_ref() == Some(worker))
        };
        self.running.iter().filter(holds).copied().collect()
    }

    fn give_up_tasks(&mut self, worker: &WorkerId, now: super::Now) {
        for (number, index) in self.tasks_of(worker) {
            if let Some(task) = self.jobs.get_mut(&number).and_then(|job| job.task_mut(index)) {
                task.given_up = true;
                task.record.lease_until = task.record.lease_until.map(|until| until.min(now.elapsed));
            }
        }
    }

    fn disown_jobs(&mut self, session: &SessionId) {
        for job in self.jobs.values_mut() {
            if !job.record.state.is_settled() && job.record.owner.as_ref() == Some(session) {
                job.record.owner = None;
            }
        }
    }
}
