//! Stores with a bug planted: the simulation must find each of them, or it finds nothing.

use std::sync::Arc;

use async_trait::async_trait;
use hw_job::{Event, EventKind, Fence, TaskState};
use hw_store::{ChangeRefused, MemoryStore, Store, StoreError, TaskChange, TaskChanged, TaskRecord};

use crate::wrap::{Around, Side, Turn, Wrapped};
use crate::{Broken, Executor, SimClock, Simulation};

/// Seeds within which a planted bug must be found.
const SEEDS: u64 = 300;

fn find(open: impl Fn(Arc<dyn Store>) -> Arc<dyn Store> + 'static) -> Broken {
    let memory = |clock: Arc<SimClock>| -> Arc<dyn Store> { Arc::new(MemoryStore::new(clock)) };
    let simulation = Simulation::new(Executor::inline(), 120, move |clock| open(memory(clock)));
    let found = (0..SEEDS).find_map(|seed| simulation.run(seed).err());
    *found.unwrap_or_else(|| panic!("{SEEDS} seeds did not find it"))
}

#[track_caller]
fn check(invariants: &[&str], open: impl Fn(Arc<dyn Store>) -> Arc<dyn Store> + 'static) {
    let broken = find(open);
    assert!(
        invariants.contains(&broken.violation.invariant),
        "found by chance: {}",
        broken.violation
    );
    assert!(broken.script.len() <= 25, "not shortened: {}", broken.script.join("\n"));
    assert!(!broken.trace.is_empty());
}

/// Takes reports under a fence that is over.
struct TakesLate;

#[async_trait]
impl Around for TakesLate {
    fn turn(&self, _side: Side) -> Turn {
        Turn::Go
    }

    async fn change_tasks(
        &self,
        inner: &dyn Store,
        mut changes: Vec<TaskChange>,
    ) -> Result<Vec<Result<TaskChanged, ChangeRefused>>, StoreError> {
        for change in &mut changes {
            if let Some(task) = inner.load_task(change.task).await? {
                change.fence = task.fence;
            }
        }
        inner.change_tasks(changes).await
    }
}

#[test]
fn late_reports_that_are_taken_are_found() {
    check(
        &[
            "late reports change nothing",
            "an outcome is that of the attempt that succeeded",
        ],
        |inner| {
            Arc::new(Wrapped {
                inner,
                around: TakesLate,
            })
        },
    );
}

/// Never shows some events of one kind.
struct Forgets(EventKind);

#[async_trait]
impl Around for Forgets {
    fn turn(&self, _side: Side) -> Turn {
        Turn::Go
    }

    fn seen_events(&self, mut events: Vec<Event>) -> Vec<Event> {
        events.retain(|event| event.kind != self.0 || event.seq.0 % 7 != 0);
        events
    }
}

#[test]
fn forgotten_events_are_found() {
    let kinds = [
        EventKind::JobStarted,
        EventKind::JobEnded,
        EventKind::TaskReady,
        EventKind::TaskStarted,
        EventKind::TaskRetry,
        EventKind::TaskEnded,
        EventKind::JobCancelRequested,
        EventKind::TableCreated,
    ];
    let broken = [
        "each change has its event",
        "every transition is legal",
        "tables change if and only if their job succeeds",
        "table events tell what was",
        "jobs are cancelled on request",
        "every job settles",
        "submissions are answered truly",
        "unsettled jobs are kept",
    ];
    for kind in kinds {
        check(&broken, move |inner| {
            Arc::new(Wrapped {
                inner,
                around: Forgets(kind),
            })
        });
    }
}

/// Shows the fences of withdrawn tasks, or of tasks that were taken back, as if they had not been raised.
struct KeepsFence(TaskState);

#[async_trait]
impl Around for KeepsFence {
    fn turn(&self, _side: Side) -> Turn {
        Turn::Go
    }

    fn seen_task(&self, mut task: TaskRecord) -> TaskRecord {
        if task.state == self.0 && task.attempts > 0 {
            task.fence = Fence(task.fence.0.saturating_sub(1));
        }
        task
    }
}

#[test]
fn fences_that_are_not_raised_are_found() {
    for state in [TaskState::Cancelled, TaskState::Ready] {
        check(
            &["what is taken from a worker is fenced off", "fences only rise"],
            move |inner| {
                Arc::new(Wrapped {
                    inner,
                    around: KeepsFence(state),
                })
            },
        );
    }
}
