//! Looking jobs up.

use hw_catalog::TableVersion;
use hw_job::JobState;

use super::{Setting, done, ending, job_id, new_job, result, session, table_name};
use crate::{JobFilter, NewJob, PAGE_ITEMS_MAX, PageRequest, StoreError};

/// Numbers of the listed jobs, pages apart.
async fn pages(s: &Setting, filter: JobFilter, limit: u32) -> String {
    let mut request = PageRequest { limit, after: None };
    let mut shown = Vec::new();
    loop {
        let page = s.store.list_jobs(&filter, &request).await.unwrap();
        let numbers = page.items.iter().map(|job| job.params["given"].to_string());
        shown.push(numbers.collect::<Vec<_>>().join(" "));
        match page.next {
            Some(next) => request.after = Some(next),
            None => return shown.join(" | "),
        }
    }
}

pub(crate) async fn jobs_are_listed_newest_first_in_pages(s: &Setting) {
    assert_eq!(pages(s, JobFilter::default(), 2).await, "");
    // Newer means submitted later, whatever the ids say.
    for number in [5, 1, 4, 2, 3] {
        s.submit_tasks(number, 0).await;
    }
    assert_eq!(pages(s, JobFilter::default(), 2).await, "3 2 | 4 1 | 5");
    assert_eq!(pages(s, JobFilter::default(), 5).await, "3 2 4 1 5");
}

pub(crate) async fn a_page_goes_on_where_the_one_before_ended(s: &Setting) {
    for number in 1..=4 {
        s.submit_tasks(number, 0).await;
    }
    let mut request = PageRequest { limit: 2, after: None };
    let first = s.store.list_jobs(&JobFilter::default(), &request).await.unwrap();
    s.submit_tasks(5, 0).await;
    request.after = first.next;
    let second = s.store.list_jobs(&JobFilter::default(), &request).await.unwrap();
    let ids: Vec<_> = second.items.iter().map(|job| job.id).collect();
    assert_eq!(ids, [job_id(2), job_id(1)]);
}

pub(crate) async fn filters_pass_only_what_they_name(s: &Setting) {
    s.submit(NewJob {
        kind: "funnel".to_owned(),
        tags: vec!["a".to_owned(), "b".to_owned()],
        ..new_job(1, vec![super::spec()])
    })
    .await;
    s.submit(NewJob {
        owner: session("s2"),
        reads: vec![(table_name("u"), TableVersion(1)), (table_name("t"), TableVersion(2))],
        ..new_job(2, Vec::new())
    })
    .await;
    s.submit_tasks(3, 0).await;
    s.claim_one("w").await;
    s.store.end_job(ending(3, result())).await.unwrap();

    check(s, |f| f.kinds = vec!["funnel".to_owned(), "x".to_owned()], "1").await;
    check(s, |f| f.states = vec![JobState::Running, JobState::Succeeded], "3 1").await;
    check(s, |f| f.table = Some(table_name("t")), "2").await;
    check(s, |f| f.tag = Some("b".to_owned()), "1").await;
    check(s, |f| f.owner = Some(session("s2")), "2").await;
    check(s, |f| f.unsettled = true, "2 1").await;
    check(s, |f| (f.unsettled, f.owner) = (true, Some(session("s1"))), "1").await;
    check(s, |f| (f.unsettled, f.states) = (true, vec![JobState::Succeeded]), "").await;
    check(
        s,
        |f| (f.tag, f.kinds) = (Some("a".to_owned()), vec!["test".to_owned()]),
        "",
    )
    .await;
}

/// The filter that `set` makes passes these jobs.
async fn check(s: &Setting, set: impl FnOnce(&mut JobFilter), expected: &str) {
    let mut filter = JobFilter::default();
    set(&mut filter);
    assert_eq!(pages(s, filter.clone(), 9).await, expected, "{filter:?}");
}

pub(crate) async fn foreign_page_tokens_are_refused(s: &Setting) {
    for (limit, after) in [
        (1, Some("x")),
        (1, Some("")),
        (1, Some("j")),
        (0, None),
        (PAGE_ITEMS_MAX + 1, None),
    ] {
        let request = PageRequest {
            limit,
            after: after.map(str::to_owned),
        };
        let refused = s.store.list_jobs(&JobFilter::default(), &request).await;
        assert!(
            matches!(refused, Err(StoreError::Misuse(_))),
            "{request:?}: {refused:?}"
        );
    }
}

pub(crate) async fn jobs_are_found_by_the_ends_of_their_ids(s: &Setting) {
    for number in [0x1_abc, 0x2_abc, 0x3_abd] {
        s.submit_tasks(number, 0).await;
    }
    let found = async |text: &str, limit| {
        let ids = s.store.find_jobs(text, limit).await.unwrap();
        ids.iter().map(|id| id.short()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(found("1abc", 9).await, "00001abc");
    assert_eq!(found("ABC", 9).await, "00002abc 00001abc");
    assert_eq!(found("abc", 1).await, "00002abc");
    assert_eq!(found("018bcfe5-6800-7", 9).await, "00003abd 00002abc 00001abc");
    assert_eq!(found(&job_id(0x3_abd).to_string(), 9).await, "00003abd");
    assert_eq!(found("%", 9).await, "");
    assert_eq!(found("bcf", 9).await, "", "what is in the middle does not count");
}

async fn submit_printed(s: &Setting, number: u64, kind: &str) {
    let job = NewJob {
        fingerprint: Some("print".to_owned()),
        kind: kind.to_owned(),
        ..new_job(number, Vec::new())
    };
    s.submit(job).await;
}

pub(crate) async fn the_newest_result_answers_for_its_fingerprint(s: &Setting) {
    let found = async |kind: &str| {
        let job = s.store.find_result(kind, "print").await.unwrap();
        job.map(|job| job.id)
    };
    for number in [3, 2, 1] {
        submit_printed(s, number, "test").await;
    }
    submit_printed(s, 4, "other").await;
    assert_eq!(found("test").await, None);
    s.store.end_job(ending(3, result())).await.unwrap();
    assert_eq!(found("test").await, Some(job_id(3)));
    s.store.end_job(ending(2, result())).await.unwrap();
    assert_eq!(found("test").await, Some(job_id(2)));
    let failed = hw_job::JobEnding::Cancelled { reason: String::new() };
    s.store.end_job(ending(1, failed)).await.unwrap();
    assert_eq!(found("test").await, Some(job_id(2)));
    assert_eq!(found("other").await, None);
    assert_eq!(s.store.find_result("test", "another").await, Ok(None));
}

pub(crate) async fn labels_are_added_once(s: &Setting) {
    submit_printed(s, 1, "test").await;
    s.store.end_job(ending(1, result())).await.unwrap();
    let label = async |number: u64, tags: &[&str]| {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        s.store.label_job(job_id(number), &tags).await.unwrap();
    };
    label(1, &["nightly", "it's \"b\""]).await;
    label(1, &["x", "nightly", "x"]).await;
    label(9, &["x"]).await;
    assert_eq!(s.job(1).await.tags, ["nightly", "it's \"b\"", "x"]);
    let filter = JobFilter {
        tag: Some("x".to_owned()),
        ..JobFilter::default()
    };
    let page = crate::PageRequest { limit: 9, after: None };
    let found = s.store.list_jobs(&filter, &page).await.unwrap();
    assert_eq!(found.items.iter().map(|job| job.id).collect::<Vec<_>>(), [job_id(1)]);
}

pub(crate) async fn attempts_come_by_task_and_number(s: &Setting) {
    s.submit_tasks(1, 2).await;
    for claimed in s.claim("w", 2).await.iter().rev() {
        let preempted = hw_job::Ending::Preempted;
        let taken = super::change(claimed.id, claimed.fence, preempted, crate::NextState::Ready);
        s.change(taken).await.unwrap();
    }
    for claimed in s.claim("w", 2).await {
        s.change(done(&claimed)).await.unwrap();
    }
    let attempts = s.store.load_attempts(job_id(1)).await.unwrap();
    let ids: Vec<(u32, u32)> = attempts.iter().map(|a| (a.id.task.index, a.id.number)).collect();
    assert_eq!(ids, [(0, 1), (0, 2), (1, 1), (1, 2)]);
    assert_eq!(s.job(1).await.attempts, 4);
}
