//! Events: lines, server-sent events, places in the log, gaps, followers.

use std::time::Duration;

use axum::body::BodyDataStream;
use futures::StreamExt as _;
use http::Method;
use hw_job::{EventKind, EventSeq, NewEvent};
use serde_json::{Value, json};

use super::setting::Setting;

async fn append(setting: &Setting, kind: EventKind, subject: &str) -> u64 {
    let event = NewEvent {
        kind,
        subject: subject.to_owned(),
        job: None,
        data: json!({}),
    };
    setting.store().append_events(vec![event]).await.unwrap().0
}

async fn three(setting: &Setting) {
    append(setting, EventKind::InputArrived, "a").await;
    append(setting, EventKind::TimerFired, "b\nc").await;
    append(setting, EventKind::ProductMade, "d").await;
}

async fn subjects(setting: &Setting, query: &str) -> Vec<String> {
    let reply = setting.get(&format!("/api/v1/events?{query}")).await;
    assert_eq!(reply.header("content-type"), "application/jsonl", "{}", reply.text);
    reply
        .lines()
        .iter()
        .map(|event| event["subject"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn lines_end_at_the_newest_event() {
    let setting = Setting::new().await;
    three(&setting).await;
    assert_eq!(subjects(&setting, "").await, ["a", "b\nc", "d"]);
    assert_eq!(subjects(&setting, "since=1").await, ["b\nc", "d"]);
    assert_eq!(subjects(&setting, "since=3").await, [""; 0]);
    assert_eq!(subjects(&setting, "kind=timer.fired,product").await, ["b\nc", "d"]);
    assert_eq!(subjects(&setting, "kind=job.*").await, [""; 0]);
    assert_eq!(
        setting
            .get("/api/v1/events?kind=jobb&since=x")
            .await
            .problem()
            .errors
            .len(),
        2
    );
    assert_eq!(
        setting.get("/api/v1/events?job=ffffffff").await.problem().code,
        "HW-A010"
    );
}

async fn follow(setting: &Setting, path: &str, headers: &[(&str, &str)]) -> BodyDataStream {
    let call = headers
        .iter()
        .fold(setting.call(Method::GET, path), |call, (name, value)| {
            call.header(name, value)
        });
    let response = call.start().await;
    assert_eq!(response.status(), 200);
    response.into_body().into_data_stream()
}

async fn next(stream: &mut BodyDataStream) -> String {
    let chunk = tokio::time::timeout(Duration::from_secs(5), stream.next())
        .await
        .expect("an event in time");
    String::from_utf8(chunk.unwrap().unwrap().to_vec()).unwrap()
}

const SSE: (&str, &str) = ("accept", "text/event-stream");

#[tokio::test]
async fn followers_hear_of_what_happens() {
    let setting = Setting::new().await;
    three(&setting).await;
    let mut stream = follow(&setting, "/api/v1/events?kind=timer", &[SSE]).await;
    // The follower stands at the end of the log before anything else happens.
    let waiting = tokio::time::timeout(Duration::from_millis(50), stream.next()).await;
    assert!(waiting.is_err());
    append(&setting, EventKind::InputArrived, "not for it").await;
    let seq = append(&setting, EventKind::TimerFired, "later").await;
    let chunk = next(&mut stream).await;
    assert!(
        chunk.starts_with(&format!("id: {seq}\nevent: timer.fired\ndata: {{\"seq\":{seq},")),
        "{chunk}"
    );
    assert!(chunk.ends_with("}\n\n"), "{chunk}");
}

#[tokio::test]
async fn a_follower_goes_on_where_it_was() {
    let setting = Setting::new().await;
    three(&setting).await;
    let path = "/api/v1/events?since=0";
    let mut stream = follow(&setting, path, &[SSE, ("last-event-id", "1")]).await;
    let chunk = next(&mut stream).await;
    assert!(chunk.contains("\"subject\":\"b\\nc\""), "{chunk}");
    assert_eq!(
        chunk.lines().count(),
        4,
        "a line end in the data does not end the line: {chunk}"
    );
    let mut lines = follow(&setting, "/api/v1/events?since=2&follow=true", &[]).await;
    assert!(next(&mut lines).await.contains("\"subject\":\"d\""));
    append(&setting, EventKind::InputArrived, "e").await;
    assert!(next(&mut lines).await.contains("\"subject\":\"e\""));
    let bad = setting
        .call(Method::GET, "/api/v1/events")
        .header("last-event-id", "x")
        .send()
        .await;
    assert_eq!(bad.problem().code, "HW-A003");
}

#[tokio::test]
async fn followers_get_signs_of_life() {
    let setting = Setting::new().await;
    let mut stream = follow(&setting, "/api/v1/events", &[SSE]).await;
    let chunk = tokio::time::timeout(Duration::from_secs(20), stream.next())
        .await
        .unwrap();
    assert_eq!(chunk.unwrap().unwrap(), ": still here\n\n");
}

async fn prune_events(setting: &Setting) {
    tokio::time::sleep(Duration::from_millis(5)).await;
    let limits = hw_store::Retention {
        events: Duration::ZERO,
        ..hw_store::Retention::default()
    };
    while setting.store().prune(&limits).await.unwrap() > 0 {}
}

#[tokio::test]
async fn events_that_were_pruned_are_told() {
    let setting = Setting::new().await;
    three(&setting).await;
    prune_events(&setting).await;
    append(&setting, EventKind::InputArrived, "new").await;
    let oldest = setting.store().oldest_event().await.unwrap();
    assert!(oldest > EventSeq(2), "{oldest:?}");
    let lines = setting.get("/api/v1/events?since=1").await.lines();
    assert_eq!(lines[0]["kind"], "log.pruned");
    assert_eq!(lines[0]["data"], json!({"after": 1, "continues_after": oldest.0 - 1}));
    assert_eq!(lines.last().unwrap()["subject"], "new");
    let all: Vec<Value> = setting.get("/api/v1/events?since=0").await.lines();
    assert!(all.iter().all(|event| event["kind"] != "log.pruned"), "{all:?}");
}

#[tokio::test]
async fn a_log_that_ends_before_the_cursor_is_told() {
    let setting = Setting::new().await;
    three(&setting).await;
    let mut stream = follow(&setting, "/api/v1/events?since=1000", &[SSE]).await;
    assert!(next(&mut stream).await.contains("event: log.reset"));
    append(&setting, EventKind::InputArrived, "after").await;
    assert!(next(&mut stream).await.contains("\"subject\":\"after\""));
}

#[tokio::test]
async fn followers_are_limited_and_end_with_the_server() {
    let setting = Setting::with(&[("http.followers_max", "1")]).await;
    let mut stream = follow(&setting, "/api/v1/events", &[SSE]).await;
    let second = setting.get("/api/v1/events").await;
    assert_eq!(second.problem().code, "HW-A009");
    assert!(second.problem().help.unwrap().contains("http.followers_max"));
    setting.stop();
    let ended = tokio::time::timeout(Duration::from_secs(5), stream.next())
        .await
        .unwrap();
    assert!(ended.is_none());
}
