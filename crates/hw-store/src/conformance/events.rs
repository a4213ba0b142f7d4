//! The event log and its wake-ups.

use std::time::Duration;

use hw_job::{Event, EventKind, EventSeq, NewEvent};
use serde_json::json;

use super::{Setting, job_id};
use crate::EventFilter;

fn fired(subject: &str) -> NewEvent {
    NewEvent {
        kind: EventKind::TimerFired,
        subject: subject.to_owned(),
        job: None,
        data: json!({ "due": [1, 2.5, null] }),
    }
}

async fn append(s: &Setting, subjects: &[&str]) -> EventSeq {
    let events = subjects.iter().map(|subject| fired(subject)).collect();
    s.store.append_events(events).await.unwrap()
}

fn subjects(events: &[Event]) -> String {
    events
        .iter()
        .map(|event| event.subject.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

pub(crate) async fn an_empty_log_has_no_last_event(s: &Setting) {
    assert_eq!(s.store.last_event().await, Ok(EventSeq(0)));
    assert_eq!(s.store.oldest_event().await, Ok(EventSeq(1)));
    assert_eq!(s.events().await, []);
    assert_eq!(*s.store.wakes().borrow(), EventSeq(0));
}

pub(crate) async fn events_are_kept_as_told(s: &Setting) {
    let mut event = fired("t1");
    event.job = Some(job_id(8));
    let seq = s.store.append_events(vec![event.clone()]).await.unwrap();
    let kept = Event {
        seq,
        at: hw_job::Clock::wall(s.clock.as_ref()),
        kind: event.kind,
        subject: event.subject,
        job: event.job,
        data: event.data,
    };
    assert_eq!(s.events().await, [kept]);
}

pub(crate) async fn numbers_rise_without_gaps(s: &Setting) {
    assert_eq!(append(s, &["a", "b"]).await, EventSeq(2));
    s.submit_tasks(1, 1).await;
    assert_eq!(append(s, &["c"]).await, EventSeq(5));
    let numbers: Vec<u64> = s.events().await.iter().map(|event| event.seq.0).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert_eq!(s.store.oldest_event().await, Ok(EventSeq(1)));
}

pub(crate) async fn appending_nothing_tells_the_last_number(s: &Setting) {
    append(s, &["a", "b"]).await;
    assert_eq!(append(s, &[]).await, EventSeq(2));
}

pub(crate) async fn a_reader_goes_on_from_its_cursor(s: &Setting) {
    append(s, &["a", "b", "c", "d"]).await;
    let all = EventFilter::default();
    let read = async |after, limit| s.store.read_events(EventSeq(after), limit, &all).await.unwrap();
    assert_eq!(subjects(&read(0, 2).await), "a b");
    assert_eq!(subjects(&read(2, 9).await), "c d");
    assert_eq!(subjects(&read(4, 9).await), "");
    assert_eq!(subjects(&read(99, 9).await), "");
    assert_eq!(subjects(&read(0, 0).await), "");
}

pub(crate) async fn filters_leave_out_the_others(s: &Setting) {
    s.submit_tasks(1, 1).await;
    append(s, &["a", "b"]).await;
    s.submit_tasks(2, 1).await;
    let read = async |filter: EventFilter| {
        let events = s.store.read_events(EventSeq(0), 9, &filter).await.unwrap();
        events.iter().map(|event| event.seq.0).collect::<Vec<_>>()
    };
    let of = |kinds: &[EventKind], job: Option<u64>, subject: Option<&str>| EventFilter {
        kinds: kinds.to_vec(),
        job: job.map(job_id),
        subject: subject.map(str::to_owned),
    };
    use EventKind as K;
    assert_eq!(
        read(of(&[K::TimerFired, K::JobSubmitted], None, None)).await,
        [1, 3, 4, 5]
    );
    assert_eq!(read(of(&[], Some(2), None)).await, [5, 6]);
    assert_eq!(read(of(&[], None, Some("b"))).await, [4]);
    assert_eq!(read(of(&[K::TaskReady], Some(1), None)).await, [2]);
    assert_eq!(read(of(&[K::TaskReady], Some(3), None)).await, [0; 0]);
}

pub(crate) async fn a_limit_counts_what_passes_the_filter(s: &Setting) {
    append(s, &["a", "b", "a", "b", "a"]).await;
    let filter = EventFilter {
        subject: Some("a".to_owned()),
        ..EventFilter::default()
    };
    let events = s.store.read_events(EventSeq(1), 2, &filter).await.unwrap();
    assert_eq!(events.iter().map(|event| event.seq.0).collect::<Vec<_>>(), [3, 5]);
}

pub(crate) async fn commits_wake_the_readers(s: &Setting) {
    let mut wakes = s.store.wakes();
    wakes.mark_unchanged();
    append(s, &["a"]).await;
    tokio::time::timeout(Duration::from_secs(5), wakes.changed())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(*wakes.borrow_and_update(), EventSeq(1));
    s.submit_tasks(1, 1).await;
    tokio::time::timeout(Duration::from_secs(5), wakes.changed())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(*wakes.borrow_and_update(), EventSeq(3));
    assert_eq!(
        *s.store.wakes().borrow(),
        EventSeq(3),
        "who subscribes later knows at once"
    );
}
