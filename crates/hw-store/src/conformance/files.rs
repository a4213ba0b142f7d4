//! The ledger of files.

use std::time::Duration;

use super::Setting;

async fn announce(s: &Setting, path: &str) {
    s.store.announce_files("owner", &[path.to_owned()]).await.unwrap();
}

async fn confirm(s: &Setting, path: &str) {
    s.store.confirm_files(&[path.to_owned()]).await.unwrap();
}

async fn release(s: &Setting, path: &str) {
    s.store.release_files(&[path.to_owned()]).await.unwrap();
}

async fn unreferenced(s: &Setting, grace_seconds: u64) -> String {
    s.store.unreferenced_files(grace_seconds, 100).await.unwrap().join(" ")
}

pub(crate) async fn announced_files_have_a_time_of_grace(s: &Setting) {
    announce(s, "a").await;
    s.clock.pass(Duration::from_secs(59));
    s.clock.jump(3600);
    assert_eq!(unreferenced(s, 60).await, "");
    s.clock.pass(Duration::from_secs(1));
    assert_eq!(unreferenced(s, 60).await, "a");
}

pub(crate) async fn confirmed_files_stay(s: &Setting) {
    announce(s, "a").await;
    confirm(s, "a").await;
    confirm(s, "never announced").await;
    s.clock.pass(Duration::from_secs(9999));
    assert_eq!(unreferenced(s, 0).await, "");
    announce(s, "a").await;
    assert_eq!(
        unreferenced(s, 0).await,
        "",
        "who writes it again does not unsettle who refers to it"
    );
}

pub(crate) async fn released_files_have_a_time_of_grace_too(s: &Setting) {
    confirm(s, "a").await;
    s.clock.pass(Duration::from_secs(100));
    release(s, "a").await;
    release(s, "unknown").await;
    assert_eq!(unreferenced(s, 60).await, "");
    s.clock.pass(Duration::from_secs(60));
    assert_eq!(unreferenced(s, 60).await, "a");
    confirm(s, "a").await;
    assert_eq!(unreferenced(s, 60).await, "");
}

pub(crate) async fn only_confirmed_files_are_released(s: &Setting) {
    announce(s, "a").await;
    s.clock.pass(Duration::from_secs(60));
    release(s, "a").await;
    assert_eq!(unreferenced(s, 60).await, "a");
}

pub(crate) async fn files_announced_again_begin_anew(s: &Setting) {
    announce(s, "a").await;
    s.clock.pass(Duration::from_secs(50));
    announce(s, "a").await;
    s.clock.pass(Duration::from_secs(50));
    assert_eq!(unreferenced(s, 60).await, "");
}

pub(crate) async fn unreferenced_files_come_oldest_first_and_limited(s: &Setting) {
    for path in ["c", "a"] {
        announce(s, path).await;
        s.clock.pass(Duration::from_secs(1));
    }
    s.store
        .announce_files("owner", &["d".to_owned(), "b".to_owned()])
        .await
        .unwrap();
    assert_eq!(unreferenced(s, 0).await, "c a b d");
    assert_eq!(s.store.unreferenced_files(0, 2).await.unwrap(), ["c", "a"]);
}

pub(crate) async fn forgotten_files_are_gone(s: &Setting) {
    announce(s, "a").await;
    s.store
        .forget_files(&["a".to_owned(), "unknown".to_owned()])
        .await
        .unwrap();
    assert_eq!(unreferenced(s, 0).await, "");
}
