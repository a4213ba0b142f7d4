//! Tables: they change with the end of a job or not at all.

use std::time::Duration;

use expect_test::expect;
use hw_catalog::{TableName, TableVersion};
use hw_job::{CatalogChange, JobState};

use super::{Setting, ending, job_id, new_job, part, result, table, table_name};
use crate::{EndJob, JobChangeError, NewJob, TableUse};

fn put(name: &str, parts: u64) -> CatalogChange {
    CatalogChange::Put {
        table: Box::new(table(&table_name(name))),
        parts: (0..parts)
            .rev()
            .map(|index| part(&format!("part-{index:05}"), index))
            .collect(),
        expected: None,
    }
}

fn drop_of(name: &str, version: u64) -> CatalogChange {
    CatalogChange::Drop {
        name: table_name(name),
        version: TableVersion(version),
    }
}

fn ending_with(number: u64, changes: Vec<CatalogChange>) -> EndJob {
    EndJob {
        changes,
        flush: true,
        ..ending(number, result())
    }
}

/// Runs a job that makes these changes.
pub(super) async fn change(s: &Setting, number: u64, changes: Vec<CatalogChange>) {
    s.submit_tasks(number, 0).await;
    s.store.end_job(ending_with(number, changes)).await.unwrap();
}

/// The changes are refused, and nothing of the job's end took place.
async fn check_conflict(s: &Setting, number: u64, changes: Vec<CatalogChange>, found: u64) {
    s.submit_tasks(number, 1).await;
    let (tables, last) = (s.store.list_tables().await.unwrap(), s.last().await);
    let mut end = ending_with(number, changes);
    end.files = vec!["file".to_owned()];
    s.store.announce_files("job", &end.files).await.unwrap();
    match s.store.end_job(end).await {
        Err(JobChangeError::TableMoved { found: there, .. }) => assert_eq!(there.0, found),
        other => panic!("{other:?}"),
    }
    assert_eq!(s.job(number).await.state, JobState::Queued);
    assert_eq!(s.job(number).await.result, None);
    assert_eq!((s.store.list_tables().await.unwrap(), s.last().await), (tables, last));
    assert_eq!(s.store.unreferenced_files(0, 9).await.unwrap(), ["file"]);
}

pub(crate) async fn a_table_appears_with_the_end_of_its_job(s: &Setting) {
    s.submit_tasks(1, 0).await;
    let before = s.last().await;
    s.store.end_job(ending_with(1, vec![put("flights", 2)])).await.unwrap();
    let kept = s.store.load_table(&table_name("flights")).await.unwrap().unwrap();
    assert_eq!(kept.version, TableVersion(1));
    assert_eq!(kept.registered_at, hw_job::Clock::wall(s.clock.as_ref()).0);
    assert_eq!(kept.origin, Some(job_id(1).to_string()));
    assert_eq!(kept.comment, table(&table_name("flights")).comment);
    expect![[r#"
        job.finishing job of 1 {}
        table.created flights of 1 {"version":1}
        job.ended job of 1 {"state":"succeeded","kind":"test"}
    "#]]
    .assert_eq(&s.log_after(before).await);
}

pub(crate) async fn versions_go_on_counting(s: &Setting) {
    let before = s.last().await;
    change(s, 1, vec![put("t", 1)]).await;
    change(s, 2, vec![put("t", 2)]).await;
    change(s, 3, vec![drop_of("t", 2)]).await;
    assert_eq!(s.store.load_table(&table_name("t")).await, Ok(None));
    change(s, 4, vec![put("t", 3)]).await;
    let kept = s.store.load_table(&table_name("t")).await.unwrap().unwrap();
    assert_eq!(kept.version, TableVersion(3));
    let log = s.log_after(before).await;
    let tables: Vec<&str> = log.lines().filter(|line| line.starts_with("table")).collect();
    assert_eq!(
        tables,
        [
            r#"table.created t of 1 {"version":1}"#,
            r#"table.changed t of 2 {"version":2}"#,
            r#"table.dropped t of 3 {}"#,
            r#"table.created t of 4 {"version":3}"#,
        ]
    );
}

pub(crate) async fn a_moved_table_refuses_the_whole_end(s: &Setting) {
    change(s, 1, vec![put("t", 1)]).await;
    change(s, 2, vec![put("t", 1)]).await;
    check_conflict(s, 3, vec![put("other", 1), drop_of("t", 1)], 2).await;
    s.store.forget_files(&["file".to_owned()]).await.unwrap();
    check_conflict(s, 4, vec![drop_of("missing", 1)], 0).await;
}

pub(crate) async fn a_table_is_put_upon_the_version_that_was_looked_at(s: &Setting) {
    let upon = |version| match put("t", 1) {
        CatalogChange::Put { table, parts, .. } => CatalogChange::Put {
            table,
            parts,
            expected: Some(TableVersion(version)),
        },
        other => other,
    };
    check_conflict(s, 1, vec![upon(1)], 0).await;
    s.store.forget_files(&["file".to_owned()]).await.unwrap();
    change(s, 2, vec![upon(0)]).await;
    check_conflict(s, 3, vec![put("other", 1), upon(0)], 1).await;
    s.store.forget_files(&["file".to_owned()]).await.unwrap();
    change(s, 4, vec![upon(1)]).await;
    change(s, 5, vec![drop_of("t", 2)]).await;
    check_conflict(s, 6, vec![upon(2)], 0).await;
    change(s, 7, vec![upon(0)]).await;
    let kept = s.store.load_table(&table_name("t")).await.unwrap().unwrap();
    assert_eq!(kept.version, TableVersion(3));
}

pub(crate) async fn a_dropped_table_cannot_be_dropped_again(s: &Setting) {
    change(s, 1, vec![put("t", 1)]).await;
    change(s, 2, vec![drop_of("t", 1)]).await;
    check_conflict(s, 3, vec![drop_of("t", 1)], 0).await;
}

pub(crate) async fn changes_of_one_end_follow_each_other(s: &Setting) {
    change(s, 1, vec![put("t", 1), drop_of("t", 1), put("t", 2), put("t", 3)]).await;
    let kept = s.store.load_table(&table_name("t")).await.unwrap().unwrap();
    assert_eq!(kept.version, TableVersion(3));
    let parts = s.store.load_parts(&table_name("t"), TableVersion(3)).await.unwrap();
    assert_eq!(parts.len(), 3);
}

pub(crate) async fn parts_come_in_the_order_of_their_paths(s: &Setting) {
    change(s, 1, vec![put("t", 20)]).await;
    let parts = s.store.load_parts(&table_name("t"), TableVersion(1)).await.unwrap();
    assert_eq!(parts.len(), 20);
    assert!(parts.is_sorted_by_key(|part| part.path.clone()));
    assert_eq!(parts[7], part("part-00007", 7));
    let unknown = s.store.load_parts(&table_name("t"), TableVersion(2)).await;
    assert_eq!(unknown, Ok(Vec::new()));
}

pub(crate) async fn earlier_versions_keep_their_parts_for_a_while(s: &Setting) {
    change(s, 1, vec![put("t", 1)]).await;
    change(s, 2, vec![put("t", 2)]).await;
    for (version, parts) in [(1, 1), (2, 2)] {
        let kept = s
            .store
            .load_parts(&table_name("t"), TableVersion(version))
            .await
            .unwrap();
        assert_eq!(kept.len(), parts);
    }
}

pub(crate) async fn tables_are_listed_by_name(s: &Setting) {
    change(s, 1, vec![put("b", 0), put("B", 0), put("a.b \"x\"", 0)]).await;
    let other = TableName::new("archive", "z").unwrap();
    let elsewhere = CatalogChange::Put {
        table: Box::new(table(&other)),
        parts: Vec::new(),
        expected: None,
    };
    change(s, 2, vec![elsewhere]).await;
    let tables = s.store.list_tables().await.unwrap();
    let names: Vec<String> = tables.iter().map(|table| table.name.to_string()).collect();
    assert_eq!(names, ["archive.z", "B", "\"a.b \"\"x\"\"\"", "b"]);
    assert_eq!(s.store.load_table(&table_name("z")).await, Ok(None));
    assert!(s.store.load_table(&other).await.unwrap().is_some());
}

pub(crate) async fn the_last_use_of_a_table_is_known(s: &Setting) {
    let (t, missing) = (table_name("t"), table_name("missing"));
    change(s, 1, vec![put("t", 0)]).await;
    assert_eq!(s.store.table_use(&t).await, Ok(TableUse::default()));
    s.store.touch_tables(&[t.clone(), missing.clone()]).await.unwrap();
    let at = Some(hw_job::Clock::wall(s.clock.as_ref()));
    s.clock.pass(Duration::from_millis(3700));
    s.clock.jump(-9999);
    let seconds_ago = Some(3);
    assert_eq!(s.store.table_use(&t).await, Ok(TableUse { at, seconds_ago }));
    assert_eq!(s.store.table_use(&missing).await, Ok(TableUse::default()));
    change(s, 2, vec![put("t", 0)]).await;
    assert_eq!(s.store.table_use(&t).await, Ok(TableUse::default()));
}

pub(crate) async fn a_job_that_reads_a_table_uses_it(s: &Setting) {
    change(s, 1, vec![put("t", 0)]).await;
    s.submit(NewJob {
        reads: vec![
            (table_name("t"), TableVersion(1)),
            (table_name("missing"), TableVersion(1)),
        ],
        ..new_job(2, Vec::new())
    })
    .await;
    let at = Some(hw_job::Clock::wall(s.clock.as_ref()));
    let seconds_ago = Some(0);
    assert_eq!(
        s.store.table_use(&table_name("t")).await,
        Ok(TableUse { at, seconds_ago })
    );
}

pub(crate) async fn ten_thousand_parts_are_kept(s: &Setting) {
    change(s, 1, vec![put("t", 10_000)]).await;
    let parts = s.store.load_parts(&table_name("t"), TableVersion(1)).await.unwrap();
    assert_eq!(parts.len(), 10_000);
    assert_eq!(s.store.list_tables().await.unwrap().len(), 1);
}
