//! Durable listeners: where they stand, what they hold back, and what they are told they missed.

use std::time::Duration;

use hw_job::{EventKind, EventSeq, NewEvent};
use serde_json::json;

use super::Setting;
use crate::{EventFilter, Heard, LISTENER_WAIT_MAX, ListenFrom, ListenerRecord, Missed, Retention, StoreError};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Appends events of which every second is a timer's, the others a hook's.
async fn append(s: &Setting, count: u64) {
    let first = s.last().await.0 + 1;
    let event = |seq: u64| NewEvent {
        kind: if seq.is_multiple_of(2) {
            EventKind::TimerFired
        } else {
            EventKind::HookCalled
        },
        subject: format!("e{seq}"),
        job: None,
        data: json!({}),
    };
    let events = (first..first + count).map(event).collect();
    s.store.append_events(events).await.unwrap();
}

async fn register(s: &Setting, name: &str, from: ListenFrom) -> ListenerRecord {
    s.store.register_listener(name, from).await.unwrap()
}

async fn advance(s: &Setting, name: &str, to: u64) {
    assert_eq!(s.store.advance_listener(name, EventSeq(to)).await, Ok(true));
}

async fn hear(s: &Setting, name: &str, limit: u32) -> Heard {
    let all = EventFilter::default();
    s.store.hear_events(name, limit, &all).await.unwrap().unwrap()
}

fn numbers(heard: &Heard) -> Vec<u64> {
    heard.events.iter().map(|event| event.seq.0).collect()
}

fn missed(first: u64, last: u64) -> Option<Missed> {
    Some(Missed {
        first: EventSeq(first),
        last: EventSeq(last),
    })
}

/// Forgets events that are a day old.
async fn prune(s: &Setting) -> u64 {
    let limits = Retention {
        events: DAY,
        ..Retention::default()
    };
    s.store.prune(&limits).await.unwrap()
}

async fn behind(s: &Setting) -> Vec<String> {
    let listeners = s.store.list_listeners().await.unwrap();
    let behind = listeners.into_iter().filter(|listener| listener.behind);
    behind.map(|listener| listener.name).collect()
}

pub(crate) async fn a_listener_goes_on_where_it_stopped(s: &Setting) {
    append(s, 4).await;
    register(s, "l", ListenFrom::Oldest).await;
    let first = hear(s, "l", 3).await;
    assert_eq!(
        (numbers(&first), first.upto, first.missed),
        (vec![1, 2, 3], EventSeq(3), None)
    );
    assert_eq!(hear(s, "l", 3).await, first, "reading alone moves nothing");
    advance(s, "l", 2).await;
    let second = hear(s, "l", 9).await;
    assert_eq!((numbers(&second), second.upto), (vec![3, 4], EventSeq(4)));
    advance(s, "l", 4).await;
    let third = hear(s, "l", 9).await;
    assert_eq!((numbers(&third), third.upto, third.missed), (vec![], EventSeq(4), None));
    assert_eq!(s.store.hear_events("other", 9, &EventFilter::default()).await, Ok(None));
}

pub(crate) async fn a_listener_begins_where_it_is_told_and_only_once(s: &Setting) {
    let start = async |name: &str, from| register(s, name, from).await.cursor.0;
    assert_eq!(start("early", ListenFrom::Oldest).await, 0);
    append(s, 4).await;
    assert_eq!(start("oldest", ListenFrom::Oldest).await, 0);
    assert_eq!(start("newest", ListenFrom::Newest).await, 4);
    assert_eq!(start("after", ListenFrom::After(EventSeq(3))).await, 3);
    let refused = s.store.register_listener("wild", ListenFrom::After(EventSeq(5))).await;
    assert!(matches!(refused, Err(StoreError::Misuse(_))), "{refused:?}");
    assert_eq!(
        start("after", ListenFrom::Newest).await,
        3,
        "one that is there stays as it is"
    );
    s.clock.pass(DAY);
    advance(s, "early", 4).await;
    advance(s, "oldest", 4).await;
    advance(s, "after", 4).await;
    assert_eq!(prune(s).await, 4);
    assert_eq!(start("late", ListenFrom::Oldest).await, 4);
    let told = register(s, "too late", ListenFrom::After(EventSeq(2))).await;
    assert!(told.behind);
    assert_eq!(hear(s, "too late", 9).await.missed, missed(3, 4));
}

pub(crate) async fn a_cursor_moves_forward_only_and_not_beyond_the_log(s: &Setting) {
    append(s, 3).await;
    let wall = hw_job::Clock::wall(s.clock.as_ref());
    let new = register(s, "l", ListenFrom::Oldest).await;
    assert_eq!((new.registered_at, new.advanced_at), (wall, None));
    advance(s, "l", 2).await;
    advance(s, "l", 1).await;
    let refused = s.store.advance_listener("l", EventSeq(4)).await;
    assert!(matches!(refused, Err(StoreError::Misuse(_))), "{refused:?}");
    let listed = s.store.list_listeners().await.unwrap().remove(0);
    assert_eq!((listed.cursor, listed.advanced_at), (EventSeq(2), Some(wall)));
    assert_eq!(s.store.advance_listener("other", EventSeq(1)).await, Ok(false));
}

pub(crate) async fn what_does_not_pass_the_filter_is_read_all_the_same(s: &Setting) {
    append(s, 5).await;
    register(s, "l", ListenFrom::Oldest).await;
    let timers = EventFilter {
        kinds: vec![EventKind::TimerFired],
        ..EventFilter::default()
    };
    let read = async |limit, filter| {
        let heard = s.store.hear_events("l", limit, filter).await.unwrap().unwrap();
        (numbers(&heard), heard.upto.0)
    };
    assert_eq!(read(1, &timers).await, (vec![2], 2));
    assert_eq!(
        read(2, &timers).await,
        (vec![2, 4], 4),
        "there may be more behind the last"
    );
    assert_eq!(read(3, &timers).await, (vec![2, 4], 5));
    advance(s, "l", 4).await;
    assert_eq!(read(3, &timers).await, (vec![], 5));
    let one = EventFilter {
        subject: Some("e5".to_owned()),
        ..EventFilter::default()
    };
    assert_eq!(read(9, &one).await, (vec![5], 5));
}

pub(crate) async fn listeners_are_listed_and_dropped(s: &Setting) {
    for name in ["b", "a'\"", "rule:c"] {
        register(s, name, ListenFrom::Oldest).await;
    }
    let names = async || {
        let listeners = s.store.list_listeners().await.unwrap();
        listeners
            .into_iter()
            .map(|listener| listener.name)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(names().await, "a'\" b rule:c");
    assert_eq!(s.store.drop_listener("b").await, Ok(true));
    assert_eq!(s.store.drop_listener("b").await, Ok(false));
    assert_eq!(names().await, "a'\" rule:c");
}

pub(crate) async fn odd_names_and_reads_of_nothing_are_refused(s: &Setting) {
    for name in ["", "a\nb", &"x".repeat(256)] {
        let refused = s.store.register_listener(name, ListenFrom::Newest).await;
        assert!(matches!(refused, Err(StoreError::Misuse(_))), "{refused:?}");
    }
    register(s, &"x".repeat(255), ListenFrom::Newest).await;
    let refused = s.store.hear_events("x", 0, &EventFilter::default()).await;
    assert!(matches!(refused, Err(StoreError::Misuse(_))), "{refused:?}");
}

pub(crate) async fn events_wait_for_the_slowest_listener(s: &Setting) {
    append(s, 6).await;
    register(s, "slow", ListenFrom::Oldest).await;
    register(s, "fast", ListenFrom::Newest).await;
    s.clock.pass(DAY);
    assert_eq!(prune(s).await, 0);
    advance(s, "slow", 4).await;
    assert_eq!(prune(s).await, 4);
    assert_eq!(s.store.oldest_event().await, Ok(EventSeq(5)));
    let heard = hear(s, "slow", 9).await;
    assert_eq!((numbers(&heard), heard.missed), (vec![5, 6], None));
    assert_eq!(behind(s).await, Vec::<String>::new());
    assert_eq!(s.store.drop_listener("slow").await, Ok(true));
    assert_eq!(prune(s).await, 2, "nobody waits any more");
    append(s, 1).await;
    assert_eq!(prune(s).await, 0, "age is still the first condition");
}

pub(crate) async fn events_that_waited_too_long_go_and_the_listener_is_told(s: &Setting) {
    append(s, 3).await;
    register(s, "l", ListenFrom::Oldest).await;
    advance(s, "l", 1).await;
    s.clock.pass(DAY);
    append(s, 2).await;
    s.clock.pass(LISTENER_WAIT_MAX - Duration::from_micros(1));
    s.clock.jump(1_000_000);
    assert_eq!(prune(s).await, 1);
    assert_eq!(behind(s).await, Vec::<String>::new());
    s.clock.pass(Duration::from_micros(1));
    assert_eq!(prune(s).await, 2, "age wins beyond the hard limit");
    assert_eq!(behind(s).await, ["l"]);
    for _ in 0..2 {
        let heard = hear(s, "l", 9).await;
        assert_eq!(
            (heard.missed, numbers(&heard), heard.upto.0),
            (missed(2, 3), vec![4, 5], 5)
        );
    }
    advance(s, "l", 2).await;
    assert_eq!(
        hear(s, "l", 9).await.missed,
        missed(3, 3),
        "told until it is past what it missed"
    );
    advance(s, "l", 3).await;
    let heard = hear(s, "l", 9).await;
    assert_eq!((heard.missed, numbers(&heard)), (None, vec![4, 5]));
    assert_eq!(behind(s).await, Vec::<String>::new());
}

pub(crate) async fn a_listener_that_is_behind_holds_nothing_back(s: &Setting) {
    append(s, 2).await;
    register(s, "dead", ListenFrom::Oldest).await;
    s.clock.pass(DAY + LISTENER_WAIT_MAX);
    append(s, 2).await;
    assert_eq!(prune(s).await, 2);
    s.clock.pass(DAY);
    assert_eq!(prune(s).await, 2);
    let heard = hear(s, "dead", 9).await;
    assert_eq!((heard.missed, numbers(&heard), heard.upto.0), (missed(1, 4), vec![], 4));
    advance(s, "dead", 4).await;
    append(s, 1).await;
    s.clock.pass(DAY);
    assert_eq!(prune(s).await, 0, "it has caught up, and is waited for again");
}

pub(crate) async fn whoever_has_read_what_went_missed_nothing(s: &Setting) {
    append(s, 4).await;
    register(s, "l", ListenFrom::Oldest).await;
    let read = hear(s, "l", 9).await;
    s.clock.pass(DAY + LISTENER_WAIT_MAX);
    assert_eq!(prune(s).await, 4, "while it still deals with them");
    advance(s, "l", read.upto.0).await;
    assert_eq!(behind(s).await, Vec::<String>::new());
    append(s, 1).await;
    let heard = hear(s, "l", 9).await;
    assert_eq!((heard.missed, numbers(&heard)), (None, vec![5]));
}
