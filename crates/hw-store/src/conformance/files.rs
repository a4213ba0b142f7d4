//! The ledger of files.

use std::time::Duration;

use hw_job::{AttemptState, TaskState};

use super::{Setting, done, ending, job_id, result};
use crate::{ChangeRefused, JobChangeError, StoreError, TaskChange};

async fn announce(s: &Setting, path: &str) {
    s.store.announce_files("owner", &[path.to_owned()]).await.unwrap();
}

async fn confirm(s: &Setting, path: &str) {
    s.store.confirm_files(&[path.to_owned()]).await.unwrap();
}

async fn confirmed(s: &Setting, path: &str) {
    announce(s, path).await;
    confirm(s, path).await;
}

async fn condemn(s: &Setting, grace_seconds: u64) -> String {
    s.store.condemn_files(grace_seconds, 100).await.unwrap().join(" ")
}

async fn forget(s: &Setting, paths: &[&str]) {
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    s.store.forget_files(&paths).await.unwrap();
}

fn swept<T>(path: &str) -> Result<T, StoreError> {
    Err(StoreError::FileSwept(path.to_owned()))
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
    confirmed(s, "a").await;
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
    confirmed(s, "a").await;
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
    forget(s, &["a", "unknown"]).await;
    assert_eq!(unreferenced(s, 0).await, "");
}

pub(crate) async fn only_files_beyond_their_grace_are_condemned(s: &Setting) {
    for path in ["announced", "confirmed", "released", "young"] {
        announce(s, path).await;
    }
    confirm(s, "confirmed").await;
    confirm(s, "released").await;
    release(s, "released").await;
    s.clock.pass(Duration::from_secs(59));
    announce(s, "young").await;
    assert_eq!(condemn(s, 60).await, "");
    s.clock.pass(Duration::from_secs(1));
    s.clock.jump(-3600);
    assert_eq!(condemn(s, 60).await, "announced released");
    confirm(s, "young").await;
    confirm(s, "confirmed").await;
    assert_eq!(unreferenced(s, 0).await, "announced released");
}

pub(crate) async fn condemned_files_are_told_until_they_are_forgotten(s: &Setting) {
    for path in ["c", "a", "b"] {
        announce(s, path).await;
    }
    let few = async || s.store.condemn_files(0, 2).await.unwrap();
    assert_eq!(few().await, ["a", "b"]);
    assert_eq!(few().await, ["a", "b"], "whoever was told may have died");
    assert_eq!(
        condemn(s, 9999).await,
        "a b",
        "no grace is left to them, and some to the other"
    );
    forget(s, &["a"]).await;
    assert_eq!(few().await, ["b", "c"]);
    forget(s, &["b", "c"]).await;
    assert_eq!(condemn(s, 0).await, "");
}

pub(crate) async fn condemned_files_come_back_in_no_way(s: &Setting) {
    for path in ["a", "b"] {
        announce(s, path).await;
    }
    s.store.condemn_files(0, 1).await.unwrap();
    let both = ["b".to_owned(), "a".to_owned()];
    assert_eq!(s.store.confirm_files(&both).await, swept("a"));
    assert_eq!(s.store.announce_files("owner", &both).await, swept("a"));
    release(s, "a").await;
    assert_eq!(unreferenced(s, 9999).await, "a");
    confirm(s, "b").await;
    assert_eq!(condemn(s, 0).await, "a");
}

pub(crate) async fn what_the_ledger_does_not_know_is_not_confirmed(s: &Setting) {
    announce(s, "a").await;
    assert_eq!(condemn(s, 0).await, "a");
    forget(s, &["a"]).await;
    assert_eq!(s.store.confirm_files(&["a".to_owned()]).await, swept("a"));
    assert_eq!(unreferenced(s, 0).await, "");
    confirmed(s, "a").await;
}

pub(crate) async fn a_report_that_refers_to_a_swept_file_changes_nothing(s: &Setting) {
    s.submit_tasks(1, 2).await;
    let claimed = s.claim("w", 2).await;
    announce(s, "swept").await;
    condemn(s, 0).await;
    s.clock.pass(Duration::from_secs(1));
    announce(s, "kept").await;
    let naming = |place: usize, files: [&str; 2]| TaskChange {
        files: files.map(str::to_owned).to_vec(),
        ..done(&claimed[place])
    };
    let before = (s.job(1).await, s.last().await);
    let reports = vec![naming(0, ["kept", "swept"]), naming(1, ["never", "swept"])];
    let refused = |place: usize, file: &str| {
        Err(ChangeRefused::FileSwept {
            task: claimed[place].id,
            file: file.to_owned(),
        })
    };
    let answers = s.store.change_tasks(reports).await.unwrap();
    assert_eq!(answers, [refused(0, "swept"), refused(1, "never")]);
    assert_eq!((s.job(1).await, s.last().await), before);
    assert_eq!(unreferenced(s, 0).await, "swept kept");
    let attempts = s.store.load_attempts(job_id(1)).await.unwrap();
    assert!(attempts.iter().all(|attempt| attempt.state == AttemptState::Running));

    assert_eq!(s.change(done(&claimed[0])).await, Ok(TaskState::Succeeded));
    let repeated = s.change(naming(0, ["kept", "swept"])).await;
    assert_eq!(
        repeated,
        Ok(TaskState::Succeeded),
        "what took effect is not asked again"
    );
}

pub(crate) async fn an_end_that_refers_to_a_swept_file_changes_nothing(s: &Setting) {
    s.submit_tasks(1, 1).await;
    announce(s, "swept").await;
    condemn(s, 0).await;
    s.clock.pass(Duration::from_secs(1));
    announce(s, "kept").await;
    let before = (s.job(1).await, s.last().await);
    let mut end = ending(1, result());
    end.files = vec!["kept".to_owned(), "swept".to_owned()];
    let refused = s.store.end_job(end.clone()).await;
    assert_eq!(refused, swept("swept").map_err(JobChangeError::Store));
    assert_eq!((s.job(1).await, s.last().await), before);
    assert_eq!(unreferenced(s, 0).await, "swept kept");
    end.files.truncate(1);
    s.store.end_job(end).await.unwrap();
    assert_eq!(unreferenced(s, 0).await, "swept");
}
