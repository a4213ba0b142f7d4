//! Memory, disk, time: what a statement cannot use up.
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use futures::StreamExt;

use super::*;
use crate::RowFormat;

fn small_world(memory: u64, spill: u64) -> World {
    World::with(|config| {
        config.memory_limit = memory;
        config.spill_limit = spill;
    })
}

const BIG_GROUPS: &str = "SELECT value, count(*) FROM generate_series(1, 3000000) GROUP BY value ORDER BY 2, 1 LIMIT 1";
const BIG_SORT: &str =
    "SELECT value, repeat('x', 50) AS t FROM generate_series(1, 500000) ORDER BY value % 7, t, value DESC";

#[tokio::test]
async fn the_memory_limit_is_named() {
    let world = small_world(1 << 20, 0);
    let error = world.csv(BIG_GROUPS).await.unwrap_err();
    assert_eq!(
        (error.code(), error.fault()),
        ("HW-Q017", crate::Fault::Platform),
        "{error}"
    );
    assert!(error.to_string().contains("the limit of 1048576 bytes"), "{error}");
    assert!(error.help().unwrap().contains("`memory.limit`"));
}

#[tokio::test]
async fn data_larger_than_the_memory_is_spilled() {
    let world = small_world(24 << 20, 1 << 30);
    let mut rows = world.session().run(BIG_SORT, &[]).await.unwrap();
    let mut count = 0;
    let mut spilled = 0;
    while let Some(batch) = rows.stream.next().await {
        count += batch.unwrap().num_rows();
        spilled = spilled.max(world.engine.memory().spilled);
    }
    assert_eq!(count, 500_000);
    assert!(spilled > 0);
}

#[tokio::test]
async fn the_spill_limit_is_named() {
    let world = small_world(24 << 20, 1 << 20);
    let error = world.csv(BIG_SORT).await.unwrap_err();
    assert_eq!(error.code(), "HW-Q018", "{error}");
    assert!(error.help().unwrap().contains("`spill.limit`"));
}

#[tokio::test]
async fn memory_and_spill_are_given_back() {
    let world = small_world(24 << 20, 1 << 30);
    let rows = world.session().run(BIG_SORT, &[]).await.unwrap();
    drop(rows);
    for _ in 0..100 {
        let used = world.engine.memory();
        if used.reserved == 0 && used.spilled == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("still held: {:?}", world.engine.memory());
}

#[tokio::test]
async fn the_engine_cleans_up_after_itself_and_after_the_dead() {
    let folder = tempfile::tempdir().unwrap();
    let spill = folder.path().join("spill");
    std::fs::create_dir_all(spill.join("query-1-0/datafusion-x")).unwrap();
    std::fs::write(spill.join("query-1-0.lock"), "").unwrap();
    std::fs::create_dir_all(spill.join("someone-else")).unwrap();
    let world = World::with(|config| config.spill_dir = spill.clone());
    let second = World::with(|config| config.spill_dir = spill.clone());
    let names = || {
        let mut names: Vec<String> = std::fs::read_dir(&spill)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names().len(), 2 * 2 + 1, "a folder and a lock each: {:?}", names());
    assert!(!names().iter().any(|name| name.starts_with("query-1-0")));
    for name in names().iter().filter(|name| name.starts_with("query-")) {
        let mode = std::fs::metadata(spill.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if name.ends_with(".lock") { 0o600 } else { 0o700 }, "{name}");
    }
    drop(world);
    drop(second);
    assert_eq!(names(), ["someone-else"]);
}

#[tokio::test]
async fn a_slow_reader_holds_the_query_up() {
    let world = small_world(64 << 20, 0);
    let mut rows = world
        .session()
        .run(
            "SELECT value, repeat('x', 100) AS t FROM generate_series(1, 1000000000)",
            &[],
        )
        .await
        .unwrap();
    let summary = rows.summary.clone();
    drop(rows.stream.next().await.unwrap().unwrap());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let ahead = summary.read().rows;
    assert!(ahead <= 8192 * 6, "{ahead} rows were computed ahead");
    for _ in 0..20 {
        drop(rows.stream.next().await.unwrap().unwrap());
    }
    assert!(summary.read().rows > ahead);
}

#[tokio::test]
async fn a_slow_reader_of_encoded_rows_holds_the_query_up() {
    let world = small_world(64 << 20, 0);
    let rows = world
        .session()
        .run(
            "SELECT value, repeat('x', 100) AS t FROM generate_series(1, 1000000000)",
            &[],
        )
        .await
        .unwrap();
    let summary = rows.summary.clone();
    let mut chunks = rows.encode(RowFormat::JsonLines, None).unwrap();
    drop(chunks.next().await.unwrap().unwrap());
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(summary.read().rows <= 8192 * 8, "{:?}", summary.read());
}

/// Runs for minutes, with nothing to give before its end.
const LONG: &str = "SELECT count(*) FROM generate_series(1, 100000) a CROSS JOIN generate_series(1, 1000000) b WHERE (a.value * b.value) % 7 = 3";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_statement_stops_soon() {
    let world = World::new();
    let rows = world.session().run(LONG, &[]).await.unwrap();
    let canceller = rows.canceller();
    let reader = tokio::spawn(async move {
        let mut stream = rows.stream;
        stream.next().await
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    canceller.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(2), reader)
        .await
        .expect("the stream ends")
        .unwrap();
    assert_eq!(ended.unwrap().unwrap_err().code(), "HW-Q019");
    check_idle(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_stream_stops_its_statement() {
    let world = World::new();
    let rows = world.session().run(LONG, &[]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(rows);
    check_idle(&world).await;
    let rows = world
        .session()
        .run(LONG, &[])
        .await
        .unwrap()
        .encode(RowFormat::Json, None)
        .unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(rows);
    check_idle(&world).await;
}

/// All threads of the engine are free again: short statements on each are answered at once.
async fn check_idle(world: &World) {
    for _ in 0..4 {
        let answer = tokio::time::timeout(Duration::from_secs(2), world.csv("SELECT 1 AS one"));
        assert_eq!(answer.await.expect("the threads are free").unwrap(), "one\n1\n");
    }
}

#[tokio::test]
async fn statements_of_one_session_run_side_by_side() {
    let world = World::new();
    let session = world.session();
    let (first, second) = tokio::join!(session.run("SELECT 1 AS a", &[]), session.run("SELECT 2 AS a", &[]));
    assert!(first.is_ok() && second.is_ok());
}

#[tokio::test]
async fn an_engine_may_be_dropped_before_its_streams() {
    let world = World::new();
    let mut rows = world
        .session()
        .run("SELECT value FROM generate_series(1, 100000)", &[])
        .await
        .unwrap();
    drop(world);
    let mut count = 0;
    while let Some(batch) = rows.stream.next().await {
        count += batch.unwrap().num_rows();
    }
    assert_eq!(count, 100_000);
}

#[tokio::test]
async fn values_that_would_fill_the_memory_are_refused() {
    let world = World::new();
    for sql in [
        "SELECT repeat('x', 2000000000)",
        "SELECT repeat(arrow_cast('x', 'LargeUtf8'), 9000000000)",
        "SELECT lpad('x', 2000000000, 'y')",
        "SELECT rpad('x', 2000000000)",
        "SELECT replace(repeat('x', 1000000), 'x', repeat('y', 1000000))",
        "SELECT range(0, 1000000000)",
        "SELECT generate_series(1000000000)",
        "SELECT generate_series(0, -1000000000, -1)",
        "SELECT range(TIMESTAMP '1970-01-01', TIMESTAMP '2200-01-01', INTERVAL '1' MICROSECOND)",
        "SELECT range(DATE '0001-01-01', DATE '9999-01-01', INTERVAL '1 ms')",
        "SELECT array_repeat(1, 1000000000)",
        "SELECT array_resize([1], 1000000000, 0)",
        "SELECT repeat('xxxxxxxxxx', value * 100) FROM generate_series(1, 8192)",
    ] {
        let error = world.csv(sql).await.unwrap_err();
        assert_eq!(error.code(), "HW-Q016", "{sql}: {error}");
        assert!(
            error.to_string().contains("at once, at most 268435456 are allowed"),
            "{sql}: {error}"
        );
    }
    for (sql, expected) in [
        (
            "SELECT repeat('ab', 3) AS a, lpad('x', 3, 'y') AS b, replace('aba', 'a', 'cc') AS c",
            "a,b,c\nababab,yyx,ccbcc\n",
        ),
        (
            "SELECT repeat('x', -1) AS a, repeat(NULL, 5) AS b, repeat('x', NULL) AS c",
            "a,b,c\n\"\",,\n",
        ),
        (
            "SELECT range(3) AS a, range(1, 7, 3) AS b, generate_series(3, 1, -1) AS c",
            "a,b,c\n\"[0,1,2]\",\"[1,4]\",\"[3,2,1]\"\n",
        ),
        (
            "SELECT array_length(range(DATE '2024-01-01', DATE '2024-02-01', INTERVAL '1' DAY)) AS n",
            "n\n31\n",
        ),
        (
            "SELECT array_repeat(1, 2) AS a, list_resize([1], 2, 0) AS b",
            "a,b\n\"[1,1]\",\"[1,0]\"\n",
        ),
        (
            "SELECT sum(length(repeat('x', value))) AS n FROM generate_series(1, 100)",
            "n\n5050\n",
        ),
    ] {
        assert_eq!(world.csv(sql).await.unwrap(), expected, "{sql}");
    }
}

/// At the end of a process somebody may still hold the engine.
#[tokio::test]
async fn a_closed_engine_leaves_no_spill_folder() {
    let world = small_world(64 << 20, 1 << 20);
    let spill = world.folder.path().join("spill");
    assert_eq!(std::fs::read_dir(&spill).unwrap().count(), 2);
    let held = world.session();
    world.engine.close();
    assert_eq!(std::fs::read_dir(&spill).unwrap().count(), 0);
    drop(held);
}
