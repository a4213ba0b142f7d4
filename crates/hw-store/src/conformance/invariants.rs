//! What holds of every store at every instant, whatever happened to those who used it.

use std::collections::BTreeMap;

use hw_job::{AttemptState, Event, EventKind, EventSeq, JobId, TaskCounts, TaskState};

use crate::{AttemptRecord, EventFilter, JobFilter, JobRecord, PageRequest, Store, TaskRecord};

/// Checks everything that the store holds. Events must not have been pruned.
pub(crate) async fn check_invariants(store: &dyn Store) {
    let events = all_events(store).await;
    let mut submitted = tally(&events, EventKind::JobSubmitted);
    let ended = tally(&events, EventKind::JobEnded);
    let started = tally(&events, EventKind::TaskStarted);
    let mut ready = 0;
    for job in all_jobs(store).await {
        let tasks = store.load_tasks(job.id).await.unwrap();
        let attempts = store.load_attempts(job.id).await.unwrap();
        check_job(&job, &tasks, &attempts);
        assert_eq!(submitted.remove(&job.id), Some(1), "job {} was submitted once", job.id);
        let ends = ended.get(&job.id).copied().unwrap_or(0);
        assert_eq!(ends, u32::from(job.state.is_settled()), "job {} ended once", job.id);
        let starts = started.get(&job.id).copied().unwrap_or(0);
        assert_eq!(starts, job.attempts, "each attempt of job {} was told", job.id);
        ready += u64::from(job.tasks.in_state(TaskState::Ready));
    }
    assert!(
        submitted.is_empty(),
        "jobs were told of that do not exist: {submitted:?}"
    );
    assert_eq!(store.queue_length(None).await, Ok(ready));
}

/// All events, of which none may be missing.
pub(crate) async fn all_events(store: &dyn Store) -> Vec<Event> {
    let all = EventFilter::default();
    let events = store.read_events(EventSeq(0), u32::MAX, &all).await.unwrap();
    for (number, event) in (1..).zip(&events) {
        assert_eq!(event.seq, EventSeq(number), "the log has no gaps");
    }
    let last = store.last_event().await.unwrap();
    assert!(last >= events.last().map_or(EventSeq(0), |event| event.seq));
    events
}

async fn all_jobs(store: &dyn Store) -> Vec<JobRecord> {
    let mut jobs = Vec::new();
    let mut request = PageRequest {
        limit: 500,
        after: None,
    };
    loop {
        let page = store.list_jobs(&JobFilter::default(), &request).await.unwrap();
        jobs.extend(page.items);
        match page.next {
            Some(next) => request.after = Some(next),
            None => return jobs,
        }
    }
}

fn tally(events: &[Event], kind: EventKind) -> BTreeMap<JobId, u32> {
    let mut counts = BTreeMap::new();
    for job in events
        .iter()
        .filter(|event| event.kind == kind)
        .filter_map(|event| event.job)
    {
        *counts.entry(job).or_default() += 1;
    }
    counts
}

fn check_job(job: &JobRecord, tasks: &[TaskRecord], attempts: &[AttemptRecord]) {
    let id = job.id;
    assert_eq!(
        job.tasks,
        TaskCounts::of(tasks.iter().map(|task| task.state)),
        "job {id}"
    );
    assert_eq!(usize::try_from(job.attempts).unwrap(), attempts.len(), "job {id}");
    assert_eq!(job.ended_at.is_some(), job.state.is_settled(), "job {id}");
    for (index, task) in (0..).zip(tasks) {
        assert_eq!(task.id.index, index, "job {id}");
        let own: Vec<_> = attempts.iter().filter(|attempt| attempt.id.task == task.id).collect();
        check_task(task, &own, tasks);
        assert!(
            !job.state.is_settled() || task.state.is_settled(),
            "task {} of a settled job",
            task.id
        );
    }
}

fn check_task(task: &TaskRecord, attempts: &[&AttemptRecord], tasks: &[TaskRecord]) {
    let id = task.id;
    assert_eq!(usize::try_from(task.attempts).unwrap(), attempts.len(), "task {id}");
    let running = attempts.iter().filter(|attempt| attempt.state == AttemptState::Running);
    let runs = task.state == TaskState::Running;
    assert_eq!(running.count(), usize::from(runs), "task {id}");
    assert_eq!(task.worker.is_some(), runs, "task {id}");
    assert_eq!(task.lease_until.is_some(), runs, "task {id}");
    assert_eq!(task.outcome.is_some(), task.state == TaskState::Succeeded, "task {id}");
    assert!(attempts.is_sorted_by(|a, b| a.fence < b.fence), "task {id}");
    assert!(attempts.iter().all(|attempt| attempt.fence <= task.fence), "task {id}");
    let state_of = |before: &u32| tasks.get(usize::try_from(*before).unwrap()).unwrap().state;
    let met = task.after.iter().all(|before| state_of(before) == TaskState::Succeeded);
    let ill = task.after.iter().any(|before| state_of(before).holds_up());
    match task.state {
        TaskState::Waiting => assert!(!met && !ill, "task {id} waits for nothing"),
        TaskState::Blocked => assert!(ill, "nothing blocks task {id}"),
        TaskState::Ready | TaskState::Running | TaskState::Succeeded => assert!(met, "task {id} came too early"),
        _ => {}
    }
}
