//! Files named in statements, and parts that are not what was registered.
use super::*;

async fn check_files(sql: &str, expected: Expect) {
    let world = world().await;
    let world_path = world.folder.path().to_str().unwrap().to_owned();
    world.write("data/x.csv", "a,b\n1,\"two\nlines\"\n2,\n");
    world.write("data/y.tsv", "a\tb\n1\tx\n");
    world.write("data/z.jsonl", "{\"a\":1,\"b\":[1,2]}\n{\"a\":null}\n");
    world.write("data/list.json", " [{\"a\":1},{\"a\":2}]");
    world.write("data/more/deep.csv", "a,b\n3,deep\n");
    world.write("data/notes.txt", "hello");
    world.write("mixed/x.csv", "a\n1\n");
    world.write("mixed/y.jsonl", "{\"a\":1}\n");
    world.write("empty.csv", "");
    world.write("broken.parquet", "PAR1 but not really");
    let answer = world.csv(sql).await.unwrap_or_else(|error| told(&error));
    expected.assert_eq(&answer.replace(&world_path, "FOLDER"));
}

#[tokio::test]
async fn files_are_tables_where_they_are_quoted() {
    check_files(
        "SELECT * FROM 'data/x.csv'",
        expect![[r#"
        a,b
        1,"two
        lines"
        2,
    "#]],
    )
    .await;
    check_files(
        "SELECT * FROM \"data/y.tsv\"",
        expect![[r#"
        a,b
        1,x
    "#]],
    )
    .await;
    check_files(
        "SELECT * FROM './data/z.jsonl'",
        expect![[r#"
        a,b
        1,"[1,2]"
        ,
    "#]],
    )
    .await;
    check_files(
        "SELECT sum(a) AS s FROM 'data/list.json'",
        expect![[r#"
        s
        3
    "#]],
    )
    .await;
    check_files(
        "SELECT sum(ts) AS s FROM 'events/*.parquet'",
        expect![[r#"
        s
        100
    "#]],
    )
    .await;
    check_files(
        "SELECT sum(ts) AS s FROM 'events/'",
        expect![[r#"
        s
        100
    "#]],
    )
    .await;
    check_files(
        "SELECT sum(ts) AS s FROM 'events/a.parquet' AS t WHERE t.ts > 10",
        expect![[r#"
            s
            20
        "#]],
    )
    .await;
    check_files(
        "SELECT count(*) AS n FROM 'data/**/*.csv'",
        expect![[r#"
        n
        3
    "#]],
    )
    .await;
    check_files(
        "DESCRIBE 'data/x.csv'",
        expect![[r#"
        column_name,data_type,is_nullable
        a,Int64,YES
        b,Utf8,YES
    "#]],
    )
    .await;
}

#[tokio::test]
async fn absolute_paths_and_urls_are_found() {
    let world = world().await;
    let path = world.path("events/a.parquet");
    let sql = format!("SELECT count(*) AS n FROM '{}'", path.display());
    assert_eq!(world.csv(&sql).await.unwrap(), "n\n2\n");
    let sql = format!("SELECT count(*) AS n FROM 'file://{}'", path.display());
    assert_eq!(world.csv(&sql).await.unwrap(), "n\n2\n");
}

#[tokio::test]
async fn arrow_files_are_tables() {
    let world = world().await;
    let file = std::fs::File::create(world.path("x.arrow")).unwrap();
    let mut writer = arrow::ipc::writer::FileWriter::try_new(file, &events().schema()).unwrap();
    writer.write(&events()).unwrap();
    writer.finish().unwrap();
    assert_eq!(
        world.csv("SELECT max(ts) AS m FROM 'x.arrow'").await.unwrap(),
        "m\n40\n"
    );
}

#[tokio::test]
async fn files_that_are_no_tables_are_told() {
    check_files(
        "SELECT * FROM 'data/none.csv'",
        expect![[r#"
        HW-Q012: `FOLDER/data/none.csv` does not exist
            check the spelling; a relative path starts at the client's folder
    "#]],
    )
    .await;
    check_files("SELECT * FROM 'data/*.parquet'", expect![[r#"
        HW-Q012: no file in `FOLDER/data/` matches `*.parquet`; it holds 5 other files, for instance `y.tsv`, and one sub-folder
            check the wildcard; `**/` before it searches sub-folders too
    "#]]).await;
    check_files(
        "SELECT * FROM 'data/notes.txt'",
        expect![[r#"
        HW-Q014: the format of `data/notes.txt` is not known
            the ending tells the format: .parquet, .csv, .tsv, .json, .jsonl, .ndjson, .arrow
    "#]],
    )
    .await;
    check_files(
        "SELECT * FROM 'mixed/'",
        expect![[r#"
        HW-Q014: `mixed/` holds files of several formats, `x.csv` and `y.jsonl`
            name one kind with a wildcard, for instance `*.parquet`
    "#]],
    )
    .await;
    check_files(
        "SELECT * FROM 'empty.csv'",
        expect![[r#"
        HW-Q014: `empty.csv` holds no columns
            an empty file is no table; the first line of a CSV file names its columns
    "#]],
    )
    .await;
    check_files(
        "SELECT * FROM 'broken.parquet'",
        expect![[r#"
        HW-Q016: `broken.parquet` cannot be read: invalid Parquet file. Corrupt footer
    "#]],
    )
    .await;
    check_files(
        "SELECT * FROM 'evnts'",
        expect![[r#"
        HW-Q006: there is no table `evnts`
            did you mean `events`?
    "#]],
    )
    .await;
    check_files(
        "SELECT * FROM 'ftp://host/x.csv'",
        expect![[r#"
        HW-Q012: `ftp://` is not a supported kind of location
            supported are local paths, `file://`, `s3://`, `gs://`, `az://`, `abfss://`, `http://` and `https://`
    "#]],
    )
    .await;
    check_files(
        "SELECT * FROM 's3://key:secret@bucket/x.csv'",
        expect![[r#"
        HW-Q013: the location `s3://***@bucket/x.csv` holds credentials
            leave them out and use `headwater connection create`, which keeps secrets encrypted
    "#]],
    )
    .await;
    check_files(
        "SELECT nothing FROM 'data/x.csv'",
        expect![[r#"
            HW-Q007 at 1:8 (byte 7): there is no column `nothing`
                the columns here are `a`, `b`
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_table_wins_over_a_file_of_its_name() {
    let world = world().await;
    world.write("x.csv", "a\n1\n");
    world.register("x.csv", "events", &events()).await;
    let mut stored = world.tables.stored("x.csv");
    let mut table = (*stored.table).clone();
    table.name = hw_catalog::TableName::in_main("x.csv").unwrap();
    stored.table = Arc::new(table);
    world.tables.put(stored);
    assert_eq!(world.csv("SELECT count(*) AS n FROM 'x.csv'").await.unwrap(), "n\n4\n");
}

#[tokio::test]
async fn a_client_reads_only_what_it_may() {
    let world = world().await;
    world.write("open/x.csv", "a\n1\n");
    let secret = world.write("secret/s.csv", "a\n2\n");
    std::os::unix::fs::symlink(&secret, world.path("open/link.csv")).unwrap();
    std::os::unix::fs::symlink(world.path("secret"), world.path("open/folder")).unwrap();
    let session = world.session_with(only(&world, "open"));
    assert_eq!(
        csv(&session, "SELECT * FROM 'open/x.csv'", &[]).await.unwrap(),
        "a\n1\n"
    );
    for name in [
        "secret/s.csv",
        "open/../secret/s.csv",
        "open/link.csv",
        "open/folder/s.csv",
        "/etc/passwd",
        "file:///etc/hosts.csv",
    ] {
        let error = csv(&session, &format!("SELECT * FROM '{name}'"), &[])
            .await
            .unwrap_err();
        assert!(
            ["HW-Q012", "HW-Q013"].contains(&error.code()),
            "{name}: {} {error}",
            error.code()
        );
    }
    let all = csv(&session, "SELECT * FROM 'open/*.csv'", &[]).await;
    assert!(all.as_ref().map_or(true, |answer| !answer.contains('2')), "{all:?}");
    // A registered table is readable wherever it lies.
    assert_eq!(
        csv(&session, "SELECT count(*) AS n FROM events", &[]).await.unwrap(),
        "n\n4\n"
    );
}

#[tokio::test]
async fn a_session_without_a_folder_refuses_relative_paths() {
    let world = world().await;
    let session = world.engine.session(crate::SessionInput {
        tables: Arc::clone(&world.tables) as Arc<dyn crate::Tables>,
        access: Access::Unrestricted,
        folder: None,
    });
    let error = csv(&session, "SELECT * FROM 'events/a.parquet'", &[])
        .await
        .unwrap_err();
    assert_eq!(error.code(), "HW-Q012");
}

/// Changes a part, then reads the table in a way that does not need the rows, and in one that does.
async fn check_part(change: impl FnOnce(&World), expected: Expect) {
    let world = world().await;
    assert_eq!(world.csv("SELECT count(*) AS n FROM events").await.unwrap(), "n\n4\n");
    change(&world);
    for sql in [
        "SELECT count(*) FROM events",
        "SELECT * FROM events",
        "SELECT max(ts) FROM events",
        "SELECT min(ts) FROM tmp.events WHERE ts < 15",
    ] {
        let error = world.csv(sql).await.unwrap_err();
        assert_eq!(
            (error.code(), error.fault()),
            ("HW-Q015", crate::Fault::Data),
            "{sql}: {error}"
        );
    }
    let error = world.csv("SELECT sum(ts) FROM events").await.unwrap_err();
    expected.assert_eq(&told(&error));
}

#[tokio::test]
async fn a_part_that_vanished_is_named() {
    check_part(
        |world| std::fs::remove_file(world.path("events/b.parquet")).unwrap(),
        expect![[r#"
            HW-Q015: part `b.parquet` of table `events` is gone
                register the table again: `headwater table register NAME PATH`
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_part_that_was_cut_is_named() {
    check_part(
        |world| {
            let path = world.path("events/b.parquet");
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(&path, &bytes[..100]).unwrap();
        },
        expect![[r#"
            HW-Q015: part `b.parquet` of table `events` has 100 bytes, it was registered with 2012
                register the table again: `headwater table register NAME PATH`
        "#]],
    )
    .await;
}

/// Writes other bytes without a trace in size, time and identity, as a broken disk would.
fn overwrite(path: &std::path::Path, at: u64, bytes: &[u8]) {
    use std::io::{Seek, SeekFrom, Write};
    let modified = std::fs::metadata(path).unwrap().modified().unwrap();
    let mut file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
    file.set_modified(modified).unwrap();
}

#[tokio::test]
async fn a_part_that_is_damaged_is_named() {
    let world = world().await;
    let path = world.path("events/b.parquet");
    let length = std::fs::metadata(&path).unwrap().len();
    overwrite(&path, length - 60, &[0xff; 40]);
    let error = world.csv("SELECT sum(ts) FROM events").await.unwrap_err();
    assert_eq!(error.code(), "HW-Q015", "{error}");
    assert!(
        error
            .to_string()
            .starts_with("part `b.parquet` of table `events` is not readable as Parquet: "),
        "{error}"
    );
}

#[tokio::test]
async fn a_part_that_was_written_again_is_named() {
    check_part(
        |world| {
            let path = world.path("events/b.parquet");
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(&path, &bytes).unwrap();
            let later = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
            std::fs::File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(later)
                .unwrap();
        },
        expect![[r#"
            HW-Q015: part `b.parquet` of table `events` was written again after it was registered
                register the table again: `headwater table register NAME PATH`
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_part_of_another_schema_is_named() {
    let world = world().await;
    let other = events().project(&[0, 1, 2]).unwrap();
    world.parquet("events/c.parquet", &other, 1);
    world.register("events", "events", &events()).await;
    let error = world.csv("SELECT sum(ts) FROM events").await.unwrap_err();
    expect![[r#"
        HW-Q015: part `c.parquet` of table `events` has no column `Price`, it was registered with one of type Float64
            register the table again: `headwater table register NAME PATH`
    "#]]
    .assert_eq(&told(&error));
    let texts = RecordBatch::try_from_iter_with_nullable(
        events()
            .columns()
            .iter()
            .zip(["user", "event", "ts", "Price"])
            .map(|(column, name)| (name, Arc::clone(column), true)),
    );
    world.parquet("events/c.parquet", &texts.unwrap(), 1);
    world.register("events", "events", &events()).await;
    let error = world.csv("SELECT sum(ts) FROM events").await.unwrap_err();
    expect![[r#"
        HW-Q015: part `c.parquet` of table `events` has column `ts` as Utf8, it was registered as Int64
            register the table again: `headwater table register NAME PATH`
    "#]]
    .assert_eq(&told(&error));
}

/// Puts a store behind `memory://lake/` that holds a CSV file, a Parquet file, and fails for all that starts with `down`.
async fn with_store(world: &World) {
    use object_store::ObjectStoreExt;
    let store = object_store::memory::InMemory::new();
    store.put(&"in/a.csv".into(), "a\n1\n2\n".into()).await.unwrap();
    let parquet = std::fs::read(world.path("events/a.parquet")).unwrap();
    store.put(&"in/b.parquet".into(), parquet.into()).await.unwrap();
    world
        .stores
        .put_store(url::Url::parse("memory://lake/").unwrap(), Arc::new(store));
}

#[tokio::test]
async fn object_stores_are_read_by_url() {
    let world = world().await;
    with_store(&world).await;
    assert_eq!(
        world
            .csv("SELECT sum(a) AS s FROM 'memory://lake/in/a.csv'")
            .await
            .unwrap(),
        "s\n3\n"
    );
    assert_eq!(
        world
            .csv("SELECT sum(a) AS s FROM 'memory://lake/in/*.csv'")
            .await
            .unwrap(),
        "s\n3\n"
    );
    assert_eq!(
        world
            .csv("SELECT sum(ts) AS s FROM 'memory://lake/in/b.parquet'")
            .await
            .unwrap(),
        "s\n30\n"
    );
    let both = "SELECT count(*) AS n FROM 'memory://lake/in/b.parquet' a JOIN 'events/a.parquet' b ON a.ts = b.ts";
    assert_eq!(world.csv(both).await.unwrap(), "n\n2\n");
    let error = world.csv("SELECT * FROM 'memory://lake/none.csv'").await.unwrap_err();
    assert_eq!(error.code(), "HW-Q012");
    let session = world.session_with(only(&world, "events"));
    let error = csv(&session, "SELECT * FROM 'memory://lake/in/a.csv'", &[])
        .await
        .unwrap_err();
    assert_eq!(error.code(), "HW-Q013");
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_nobody_s_fault_here() {
    let world = world().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let stores = hw_files::FileStores::new(
        [],
        hw_files::StoreLimits {
            retries_max: 0,
            ..hw_files::StoreLimits::default()
        },
    );
    let engine = crate::Engine::new(&crate::testing::config(world.folder.path()), Arc::new(stores)).unwrap();
    let session = engine.session(crate::SessionInput {
        tables: Arc::clone(&world.tables) as Arc<dyn crate::Tables>,
        access: Access::Unrestricted,
        folder: None,
    });
    let error = csv(&session, &format!("SELECT * FROM 'http://{closed}/x.csv'"), &[])
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.fault()),
        ("HW-Q020", crate::Fault::External),
        "{error}"
    );
}
