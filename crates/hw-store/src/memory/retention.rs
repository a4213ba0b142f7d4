//! Forgetting what is over, in bounded steps.

use std::collections::BTreeSet;
use std::time::Duration;

use hw_catalog::{TableName, TableVersion};
use hw_job::StoredDocument;

use super::Now;
use super::state::{EventEntry, JobEntry, State};
use crate::Retention;
use crate::jobs::job_folder;
use crate::limits::{
    LISTENER_WAIT_MAX, PRUNED_EVENTS_MAX, PRUNED_JOBS_MAX, PRUNED_RESULTS_MAX, PRUNED_TASKS_MAX, PRUNED_VERSIONS_MAX,
};

impl State {
    /// Removes a bounded number of what is older than the limits; returns how many rows went.
    pub(super) fn prune(&mut self, limits: &Retention, now: Now) -> u64 {
        self.prune_results(limits.results, now)
            + self.prune_jobs(limits.jobs, now)
            + self.prune_events(limits.events, now)
            + self.prune_versions(now)
    }

    fn prune_results(&mut self, keep: Duration, now: Now) -> u64 {
        let old = self.ended_before(keep, now);
        let kept = |job: &&mut JobEntry| job.has_documents();
        let jobs = self.jobs.iter_mut().filter(|(number, _)| old.contains(number));
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        let mut gone = 0;
        for job in jobs.map(|(_, job)| job).filter(kept).take(PRUNED_RESULTS_MAX) {
            job.drop_documents(&mut files);
            folders.push(job_folder(job.record.id));
            gone += 1;
        }
        self.release_files(&files, now);
        for folder in folders {
            self.release_files_below(&folder, now);
        }
        gone
    }

    fn prune_jobs(&mut self, keep: Duration, now: Now) -> u64 {
        let mut tasks = 0;
        let mut gone = 0;
        for number in self.ended_before(keep, now).into_iter().take(PRUNED_JOBS_MAX) {
            if tasks >= PRUNED_TASKS_MAX {
                break;
            }
            let Some(mut job) = self.jobs.remove(&number) else {
                continue;
            };
            tasks += u64::from(job.task_count());
            self.job_numbers.remove(&job.record.id);
            self.keys.retain(|_, (_, known)| *known != job.record.id);
            let mut files = Vec::new();
            job.drop_documents(&mut files);
            self.release_files(&files, now);
            self.release_files_below(&job_folder(job.record.id), now);
            gone += 1;
        }
        gone
    }

    fn prune_events(&mut self, keep: Duration, now: Now) -> u64 {
        let slowest = self.slowest_listener();
        let is_over = |(seq, entry): &(&u64, &EventEntry)| {
            let age = now.elapsed.since(entry.at);
            age >= keep && (**seq <= slowest.0 || age >= keep.saturating_add(LISTENER_WAIT_MAX))
        };
        let old = self.events.iter().take_while(is_over);
        let old: Vec<u64> = old.map(|(seq, _)| *seq).take(PRUNED_EVENTS_MAX).collect();
        for seq in &old {
            self.events.remove(seq);
        }
        u64::try_from(old.len()).unwrap_or(u64::MAX)
    }

    /// Parts of versions that are neither current nor read by an unsettled job.
    fn prune_versions(&mut self, now: Now) -> u64 {
        let open = self.jobs.values().filter(|job| !job.record.state.is_settled());
        let pinned: BTreeSet<&(TableName, TableVersion)> = open.flat_map(|job| &job.record.reads).collect();
        let current = |name: &TableName| self.tables.get(name).and_then(|entry| entry.table.as_ref());
        let old = self.parts.keys().filter(|key| {
            let superseded = current(&key.0).is_none_or(|table| table.version != key.1);
            superseded && !pinned.contains(key)
        });
        let old: Vec<_> = old.take(PRUNED_VERSIONS_MAX).cloned().collect();
        let mut files = Vec::new();
        for key in &old {
            let parts = self.parts.remove(key).unwrap_or_default();
            files.extend(parts.into_iter().map(|part| part.path));
        }
        // Parts of datasets are not known as files of ours, and stay as they are.
        let mentioned: BTreeSet<&String> = self.parts.values().flatten().map(|part| &part.path).collect();
        files.retain(|path| !mentioned.contains(path));
        self.release_files(&files, now);
        u64::try_from(old.len()).unwrap_or(u64::MAX)
    }

    /// Numbers of the jobs that ended at least so long ago, oldest job first.
    fn ended_before(&self, keep: Duration, now: Now) -> BTreeSet<u64> {
        let old = |job: &JobEntry| job.ended.is_some_and(|ended| now.elapsed.since(ended) >= keep);
        let jobs = self.jobs.iter().filter(|(_, job)| old(job));
        jobs.map(|(number, _)| *number).collect()
    }
}

impl JobEntry {
    fn has_documents(&self) -> bool {
        self.record.result.is_some() || self.tasks.iter().any(|task| task.record.outcome.is_some())
    }

    /// Drops the result and the outcomes, noting the files that they refer to.
    fn drop_documents(&mut self, files: &mut Vec<String>) {
        let outcomes = self.tasks.iter_mut().map(|task| &mut task.record.outcome);
        for document in std::iter::once(&mut self.record.result).chain(outcomes) {
            if let Some(StoredDocument::File { path, .. }) = document.take() {
                files.push(path);
            }
        }
    }
}
