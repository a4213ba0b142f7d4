//! What must hold when all trouble is over and all jobs have settled.

use std::collections::{BTreeMap, BTreeSet};

use hw_job::StoredDocument;

use super::{Checker, answer};
use crate::executor::Executor;
use crate::violation::{Violation, demand};

impl Checker {
    pub(crate) fn check_end(&mut self, executor: &Executor) -> Result<(), Violation> {
        let ids: Vec<_> = self.jobs.keys().copied().collect();
        let mut referenced = BTreeSet::new();
        for id in ids {
            self.compare_job(executor, id)?;
            if let Some(stored) = self.load(executor, id)? {
                let outcomes = stored.tasks.iter().filter_map(|task| task.outcome.as_ref());
                referenced.extend(outcomes.chain(&stored.record.result).filter_map(path));
            }
        }
        self.check_queue(executor)?;
        self.check_tables(executor)?;
        self.check_files(executor, &referenced)?;
        self.check_readers(executor)
    }

    fn check_queue(&self, executor: &Executor) -> Result<(), Violation> {
        let ready = answer(executor.now(self.store.queue_length(None)))?;
        demand(ready == 0, "nothing is left in the queue", || format!("{ready} tasks"))?;
        let expired = answer(executor.now(self.store.expired_tasks(9)))?;
        demand(expired.is_empty(), "no lease is left", || format!("{expired:?}"))?;
        let next = answer(executor.now(self.store.wake_due_tasks(9)))?;
        demand(next.is_none(), "no task still pauses", || format!("{next:?}"))
    }

    fn check_tables(&self, executor: &Executor) -> Result<(), Violation> {
        let tables = answer(executor.now(self.store.list_tables()))?;
        let there: BTreeMap<String, u64> = tables
            .iter()
            .map(|table| (table.name.to_string(), table.version.0))
            .collect();
        demand(there == self.tables, "tables are as their events say", || {
            format!("{there:?} instead of {:?}", self.tables)
        })
    }

    /// What is referred to is there and stays; everything else can be swept away.
    fn check_files(&self, executor: &Executor, referenced: &BTreeSet<String>) -> Result<(), Violation> {
        let all: BTreeSet<String> = self.disk.paths().into_iter().collect();
        let unreferenced = answer(executor.now(self.store.unreferenced_files(0, u32::MAX)))?;
        let unreferenced: BTreeSet<String> = unreferenced.into_iter().collect();
        let lost: Vec<_> = referenced
            .iter()
            .filter(|path| !all.contains(*path) || unreferenced.contains(*path))
            .collect();
        demand(lost.is_empty(), "files that are referred to stay", || {
            format!("{lost:?}")
        })?;
        let orphans: Vec<_> = all
            .iter()
            .filter(|path| !referenced.contains(*path) && !unreferenced.contains(*path))
            .collect();
        demand(orphans.is_empty(), "no file is forgotten", || format!("{orphans:?}"))
    }

    /// A reader that came and went has seen what one has seen that was always there.
    fn check_readers(&mut self, executor: &Executor) -> Result<(), Violation> {
        self.read_events(executor)?;
        let mut seen = usize::MAX;
        while seen != self.seen_by_second.len() {
            seen = self.seen_by_second.len();
            self.read_some(executor, super::EVENTS_MAX)?;
        }
        demand(self.log == self.seen_by_second, "no event is ever skipped", || {
            format!("{:?} instead of {:?}", self.seen_by_second, self.log)
        })
    }
}

fn path(document: &StoredDocument) -> Option<String> {
    match document {
        StoredDocument::Inline(_) => None,
        StoredDocument::File { path, .. } => Some(path.clone()),
    }
}
