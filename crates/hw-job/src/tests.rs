#![allow(clippy::unwrap_used, clippy::panic)]
use std::time::Duration;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;

use crate::{
    AfterAttempt, AttemptCounts, AttemptState, Command, Elapsed, Ending, ErrorClass, EventKind, Failure, JobCourse,
    JobEnding, JobEvent, JobId, JobState, RetryPolicy, StoredDocument, TaskId, TaskState, Timestamp,
};

fn done() -> Ending {
    Ending::Succeeded(StoredDocument::Inline(json!({})))
}

fn failed(class: ErrorClass) -> Ending {
    Ending::Failed(Failure::new(class, "HW-J000", "boom"))
}

#[track_caller]
fn check_retries(endings: &[Ending], expected: Expect) {
    let policy = RetryPolicy {
        jitter: 0.0,
        ..RetryPolicy::default()
    };
    let mut counts = AttemptCounts::default();
    let mut shown = String::new();
    for ending in endings {
        counts = counts.and(ending);
        shown += &match policy.after(counts, ending, 0.5) {
            AfterAttempt::Settled(state) => format!("{} ", state.as_str()),
            AfterAttempt::Ready => "ready ".to_owned(),
            AfterAttempt::RetryAfter(pause) => format!("retry:{}s ", pause.as_secs()),
        };
    }
    expected.assert_eq(shown.trim_end());
}

#[test]
fn retries_follow_the_class() {
    let lost = Ending::Lost { worker_died: false };
    let died = Ending::Lost { worker_died: true };
    check_retries(&[done()], expect!["succeeded"]);
    check_retries(&[failed(ErrorClass::Input)], expect!["failed"]);
    check_retries(&[failed(ErrorClass::Data)], expect!["failed"]);
    check_retries(
        &vec![failed(ErrorClass::Internal); 3],
        expect!["retry:1s retry:2s quarantined"],
    );
    check_retries(
        &vec![failed(ErrorClass::External); 3],
        expect!["retry:5s retry:10s quarantined"],
    );
    check_retries(
        &[failed(ErrorClass::Internal), failed(ErrorClass::External)],
        expect!["retry:1s retry:10s"],
    );
    check_retries(
        &vec![lost.clone(); 10],
        expect!["ready ready ready ready ready ready ready ready ready quarantined"],
    );
    check_retries(&[died.clone(), died], expect!["ready quarantined"]);
    check_retries(&[lost, failed(ErrorClass::Internal)], expect!["ready retry:1s"]);
    check_retries(&[Ending::TimedOut], expect!["timed_out"]);
    check_retries(
        &[failed(ErrorClass::Platform), Ending::Preempted],
        expect!["retry:1s ready"],
    );
}

#[test]
fn pauses_are_capped_and_spread() {
    let policy = RetryPolicy {
        counted_max: 100,
        ..RetryPolicy::default()
    };
    let pause_of = |class, nth, random| {
        let counts = AttemptCounts {
            counted: nth,
            ..AttemptCounts::default()
        };
        match policy.after(counts, &failed(class), random) {
            AfterAttempt::RetryAfter(pause) => pause,
            other => panic!("{other:?}"),
        }
    };
    let pause = |nth, random| pause_of(ErrorClass::Internal, nth, random);
    assert_eq!(pause(1, 0.0), Duration::from_millis(800));
    assert_eq!(pause(1, 1.0), Duration::from_millis(1200));
    assert_eq!(pause(60, 0.5), Duration::from_secs(300));
    assert_eq!(pause_of(ErrorClass::External, 1, 0.0), Duration::from_secs(4));
    assert_eq!(pause_of(ErrorClass::External, 60, 0.5), Duration::from_secs(300));
}

#[track_caller]
fn check_course(states: &[TaskState], events: Vec<JobEvent>, expected: Expect) {
    let tasks = (0..).zip(states.iter().copied());
    let mut course = JobCourse::new(JobState::Queued, tasks);
    let mut shown = vec![format!("{:?}", names(&course.resume()))];
    for event in events {
        shown.push(format!("{:?}", names(&course.apply(event))));
    }
    shown.push(course.state().as_str().to_owned());
    expected.assert_eq(&shown.join(" "));
}

fn names(commands: &[Command]) -> Vec<String> {
    let name = |command: &Command| match command {
        Command::AskKind => "ask".to_owned(),
        Command::End(ending) => ending.state().as_str().to_owned(),
    };
    commands.iter().map(name).collect()
}

fn changed(index: u32, state: TaskState) -> JobEvent {
    JobEvent::TaskChanged {
        index,
        state,
        failure: None,
    }
}

#[test]
fn a_job_asks_once_when_its_tasks_are_done() {
    use TaskState as T;
    let merged = JobEvent::Merged(JobEnding::Succeeded {
        result: StoredDocument::Inline(json!(1)),
        partial: false,
    });
    check_course(
        &[],
        vec![merged.clone()],
        expect![[r#"["ask"] ["succeeded"] succeeded"#]],
    );
    check_course(
        &[T::Ready, T::Ready],
        vec![
            changed(0, T::Running),
            changed(0, T::Succeeded),
            changed(1, T::Running),
            changed(1, T::Succeeded),
            merged,
        ],
        expect![[r#"[] [] [] [] ["ask"] ["succeeded"] succeeded"#]],
    );
    check_course(
        &[T::Succeeded],
        vec![JobEvent::TasksAdded(vec![(1, T::Ready)]), changed(1, T::Succeeded)],
        expect![[r#"["ask"] [] ["ask"] queued"#]],
    );
}

#[test]
fn a_job_ends_with_its_first_bad_task() {
    use TaskState as T;
    let later = JobEvent::CancelRequested { reason: "late".into() };
    check_course(
        &[T::Ready, T::Ready],
        vec![
            changed(0, T::Running),
            changed(0, T::Quarantined),
            changed(1, T::Succeeded),
            later,
        ],
        expect![[r#"[] [] ["failed"] [] [] failed"#]],
    );
    check_course(&[T::TimedOut], vec![], expect![[r#"["timed_out"] timed_out"#]]);
    check_course(
        &[T::Ready],
        vec![JobEvent::OwnerLost],
        expect![[r#"[] ["failed"] failed"#]],
    );
}

#[test]
fn names_round_trip() {
    for state in TaskState::ALL {
        assert_eq!(TaskState::from_name(state.as_str()), Some(state));
    }
    for state in JobState::ALL {
        assert_eq!(JobState::from_name(state.as_str()), Some(state));
    }
    for state in AttemptState::ALL {
        assert_eq!(AttemptState::from_name(state.as_str()), Some(state));
    }
    for kind in EventKind::ALL {
        assert_eq!(EventKind::from_name(kind.as_str()), Some(kind));
    }
}

#[test]
fn ids_are_uuid_v7() {
    let id = JobId::new(1_700_000_000_123, [7; 10]);
    assert_eq!(id.unix_ms(), 1_700_000_000_123);
    assert_eq!(id.to_string().parse::<JobId>().unwrap(), id);
    assert_eq!(id.to_string().chars().nth(14), Some('7'));
    assert_eq!(id.short().len(), 8);
    assert!(id.to_string().ends_with(&id.short()));
    let task = TaskId::new(id, 7);
    assert_eq!(task.to_string().parse::<TaskId>().unwrap(), task);
    assert_eq!(
        "x/7".parse::<TaskId>().unwrap_err().to_string(),
        "`x/7` is not the id of a task (JOB/INDEX)"
    );
}

#[test]
fn elapsed_time_saturates() {
    assert_eq!(Elapsed(5).since(Elapsed(9)), Duration::ZERO);
    assert_eq!(Elapsed(u64::MAX - 1).after(Duration::from_secs(1)), Elapsed(u64::MAX));
}

proptest! {
    /// Whatever happens in whatever order, a job ends at most once and asks only when all its tasks succeeded.
    #[test]
    fn a_job_ends_at_most_once(steps in proptest::collection::vec((0_u32..4, 0_usize..13), 0..40)) {
        let mut course = JobCourse::new(JobState::Queued, (0..4).map(|index| (index, TaskState::Ready)));
        let mut ends = 0;
        for (index, state) in steps {
            for command in course.apply(changed(index, TaskState::ALL[state])) {
                match command {
                    Command::End(_) => ends += 1,
                    Command::AskKind => prop_assert!(course.tasks().all(|(_, state)| state == TaskState::Succeeded)),
                }
            }
        }
        prop_assert!(ends <= 1);
        prop_assert_eq!(ends == 1, course.state().is_settled());
    }

    /// No settled state has a successor, but for the person's requeue of a quarantined task.
    #[test]
    fn settled_tasks_stay_settled(from in 0_usize..13, to in 0_usize..13) {
        let (from, to) = (TaskState::ALL[from], TaskState::ALL[to]);
        if from.is_settled() && from.may_become(to) {
            prop_assert_eq!((from, to), (TaskState::Quarantined, TaskState::Ready));
        }
    }
}

#[test]
fn times_are_shown_by_the_calendar() {
    let check = |micros: i64, expected: &str| assert_eq!(Timestamp(micros).to_string(), expected);
    check(0, "1970-01-01T00:00:00Z");
    check(-1, "1969-12-31T23:59:59.999999Z");
    check(951_782_400_000_000, "2000-02-29T00:00:00Z");
    check(1_700_000_003_500_000, "2023-11-14T22:13:23.500000Z");
    check(4_107_542_399_000_000, "2100-02-28T23:59:59Z");
    check(4_107_542_400_000_000, "2100-03-01T00:00:00Z");
}
