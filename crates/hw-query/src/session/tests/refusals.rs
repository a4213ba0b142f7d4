//! What a statement may not do, and what is said of it.
use super::*;

#[tokio::test]
async fn writing_statements_are_refused_before_planning() {
    let world = world().await;
    for sql in [
        "INSERT INTO events VALUES (1, 2, 'x', 3)",
        "UPDATE events SET ts = 1",
        "DELETE FROM events WHERE ts IN (SELECT 1)",
        "EXPLAIN DELETE FROM events",
        "EXPLAIN ANALYZE INSERT INTO events SELECT * FROM events",
        "TRUNCATE TABLE events",
        "MERGE INTO events USING events s ON true WHEN MATCHED THEN DELETE",
        "CREATE TABLE t AS SELECT 1",
        "CREATE VIEW v AS SELECT 1",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        "CREATE SCHEMA s",
        "CREATE DATABASE d",
        "CREATE FUNCTION f() RETURNS INT RETURN 1",
        "DROP TABLE events",
        "ALTER TABLE events ADD COLUMN x INT",
        "COPY events TO 'out.parquet'",
        "COPY (SELECT 1) TO 'out.csv'",
        "BEGIN",
        "START TRANSACTION READ ONLY",
        "COMMIT",
        "ROLLBACK",
        "PREPARE p AS SELECT 1",
        "EXECUTE p",
        "DEALLOCATE p",
        "USE main",
        "GRANT SELECT ON events TO me",
        "CALL f()",
        "VACUUM",
        "ANALYZE events",
        "SELECT 1 INTO t",
        "WITH t AS (INSERT INTO events VALUES (1) RETURNING *) SELECT * FROM t",
        "LOAD DATA INPATH 'x' INTO TABLE events",
        "ATTACH DATABASE 'x' AS y",
        "SET TRANSACTION READ ONLY",
        "SET ROLE admin",
    ] {
        let error = world.csv(sql).await.unwrap_err();
        assert_eq!(error.fault(), crate::Fault::Input, "{sql}: {error}");
        assert!(
            ["HW-Q004", "HW-Q005", "HW-Q001"].contains(&error.code()),
            "{sql}: {} {error}",
            error.code()
        );
        assert!(!world.path("out.csv").exists());
    }
}

#[tokio::test]
async fn refusals_name_what_to_do_instead() {
    check(
        "DELETE FROM events",
        expect![[r#"
            HW-Q004 at 1:1 (byte 0): DELETE is not carried out here
                SQL writes no rows yet; make a table of files with `headwater table register NAME PATH`
        "#]],
    )
    .await;
    check(
        "\n  COPY events TO 'x'",
        expect![[r#"
        HW-Q004 at 2:3 (byte 3): COPY is not carried out here
            write the answer to a file with the client: `headwater sql "..." --format csv > FILE`
    "#]],
    )
    .await;
    check(
        "BEGIN",
        expect![[r#"
        HW-Q004 at 1:1 (byte 0): BEGIN is not carried out here
            leave it away: each statement reads one version of each table by itself, and SQL does not write
    "#]],
    )
    .await;
    check("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'x'", expect![[r#"
        HW-Q004 at 1:1 (byte 0): CREATE EXTERNAL TABLE is not carried out here
            name the file in the query, `SELECT * FROM 'data/*.parquet'`, or register it: `headwater table register NAME PATH`
    "#]]).await;
    check(
        "EXPLAIN SHOW TABLES",
        expect![[r#"
        HW-Q004 at 1:1 (byte 0): EXPLAIN of anything but a query is not carried out here
            explain a SELECT
    "#]],
    )
    .await;
    check(
        "SHOW DATABASES",
        expect![[r#"
        HW-Q004 at 1:1 (byte 0): SHOW DATABASES is not carried out here
            ask `information_schema`, for instance `SELECT * FROM information_schema.tables`
    "#]],
    )
    .await;
}

#[tokio::test]
async fn clauses_that_the_planner_would_ignore_are_refused() {
    for sql in [
        "SELECT * FROM events TABLESAMPLE (10 PERCENT)",
        "SELECT * FROM (SELECT * FROM events) AS t TABLESAMPLE BERNOULLI (10)",
        "SELECT * FROM events FOR UPDATE",
        "SELECT ts FROM events GROUP BY ts WITH ROLLUP",
        "SELECT * FROM events PREWHERE ts > 1",
        "SELECT * FROM events WITH (NOLOCK)",
        "SELECT * FROM events FORMAT JSON",
        "SELECT * FROM events SETTINGS x = 1",
        "SELECT * FROM events WHERE ts IN (SELECT ts FROM events TABLESAMPLE (1))",
        "EXPLAIN SELECT * FROM events TABLESAMPLE (1)",
    ] {
        let world = world().await;
        let error = world.csv(sql).await.unwrap_err();
        assert!(["HW-Q005", "HW-Q001"].contains(&error.code()), "{sql}: {error}");
    }
    for sql in [
        "SELECT * FROM events FOR SYSTEM_TIME AS OF '2020-01-01'",
        "SELECT * FROM events VERSION AS OF 3",
        "SELECT * FROM events TIMESTAMP AS OF '2020-01-01'",
    ] {
        let error = world().await.csv(sql).await.unwrap_err();
        assert!(["HW-Q005", "HW-Q001"].contains(&error.code()), "{sql}: {error}");
    }
    check(
        "SELECT *\nFROM events TABLESAMPLE (10)",
        expect![[r#"
        HW-Q005 at 2:6 (byte 14): TABLESAMPLE is not supported
            write `WHERE random() < 0.1`
    "#]],
    )
    .await;
}

#[tokio::test]
async fn syntax_errors_point_into_the_text() {
    check(
        "SELECT * FORM events",
        expect![[r#"
        HW-Q001 at 1:10 (byte 9): expected: end of statement, found: FORM
    "#]],
    )
    .await;
    check(
        "SELECT 'abc",
        expect![[r#"
        HW-Q001 at 1:8 (byte 7): unterminated string literal
    "#]],
    )
    .await;
    check(
        "SELECT (1 + ",
        expect![[r#"
            HW-Q001 at 1:13 (byte 12): expected: an expression, found: EOF
        "#]],
    )
    .await;
    check(
        "",
        expect![[r#"
        HW-Q003: there is no statement
            send one statement per request
    "#]],
    )
    .await;
    check(
        "-- nothing\n;;",
        expect![[r#"
        HW-Q003: there is no statement
            send one statement per request
    "#]],
    )
    .await;
    check(
        "SELECT 1; SELECT 2",
        expect![[r#"
        HW-Q003: there are 2 statements where one is expected
            send one statement per request
    "#]],
    )
    .await;
    check(
        "SELECT 'ä' AS x,\n  'ü' y z",
        expect![[r#"
        HW-Q001 at 2:9 (byte 27): expected: end of statement, found: z
    "#]],
    )
    .await;
}

#[tokio::test]
async fn unknown_tables_come_with_proposals_all_at_once() {
    check(
        "SELECT * FROM event JOIN \"Events\" ON true JOIN nothing.like_it ON true",
        expect![[r#"
            HW-Q006 at 1:15 (byte 14): there is no table `event`
                did you mean `events`?
            HW-Q006 at 1:26 (byte 25): there is no table `Events`
                did you mean `events`? names without double quotes are folded to lower case
            HW-Q006 at 1:48 (byte 47): there is no table `nothing.like_it`
                `SHOW TABLES` lists all
        "#]],
    )
    .await;
    check(
        "SELECT * FROM other.main.events",
        expect![[r#"
        HW-Q006 at 1:15 (byte 14): there is no catalog `other`
            the only catalog is `headwater`; put the name of a file into quotes
    "#]],
    )
    .await;
    check(
        "SELECT * FROM a.b.c.d",
        expect![[r#"
        HW-Q006 at 1:15 (byte 14): `a.b.c.d` is not the name of a table
            a table is named `table`, `schema.table` or `headwater.schema.table`
    "#]],
    )
    .await;
    check(
        "SELECT * FROM flights.parquet",
        expect![[r#"
        HW-Q006 at 1:15 (byte 14): there is no table `flights.parquet`
            put the name of a file into quotes: `'flights.parquet'`
    "#]],
    )
    .await;
    check(
        "WITH t AS (SELECT 1) SELECT * FROM t, t2",
        expect![[r#"
        HW-Q006 at 1:39 (byte 38): there is no table `t2`
            `SHOW TABLES` lists all
    "#]],
    )
    .await;
    check(
        "DESCRIBE evnts",
        expect![[r#"
        HW-Q006 at 1:10 (byte 9): there is no table `evnts`
            did you mean `events`?
    "#]],
    )
    .await;
    check(
        "SHOW COLUMNS FROM evnts",
        expect![[r#"
            HW-Q006: there is no table `headwater.main.evnts`
        "#]],
    )
    .await;
}

#[tokio::test]
async fn names_look_up_exactly_and_propose_the_other_case() {
    let world = world().await;
    world.register("Sales", "events", &events()).await;
    let error = world.csv("SELECT * FROM Sales").await.unwrap_err();
    expect![[r#"
        HW-Q006 at 1:15 (byte 14): there is no table `sales`
            did you mean `"Sales"`? names without double quotes are folded to lower case
    "#]]
    .assert_eq(&told(&error));
    assert_eq!(
        world.csv("SELECT count(*) AS n FROM \"Sales\"").await.unwrap(),
        "n\n4\n"
    );
}

#[tokio::test]
async fn unknown_columns_come_with_proposals() {
    check(
        "SELECT evnt FROM events",
        expect![[r#"
            HW-Q007 at 1:8 (byte 7): there is no column `evnt`
                did you mean `event`?
        "#]],
    )
    .await;
    check(
        "SELECT price FROM events",
        expect![[r#"
            HW-Q007 at 1:8 (byte 7): there is no column `price`
                did you mean `"Price"`? names without double quotes are folded to lower case
        "#]],
    )
    .await;
    check(
        "SELECT nothing_like_it,\n wrong_too FROM events",
        expect![[r#"
            HW-Q007 at 1:8 (byte 7): there is no column `nothing_like_it`
                the columns here are `user`, `ts`, `event`, `"Price"`
            HW-Q007 at 2:2 (byte 25): there is no column `wrong_too`
                the columns here are `user`, `ts`, `event`, `"Price"`
        "#]],
    )
    .await;
    check(
        "SELECT ts FROM events a JOIN events b ON a.ts = b.ts",
        expect![[r#"
        HW-Q007 at 1:8 (byte 7): the column `ts` is in several tables
            write the table before it: `table.column`
    "#]],
    )
    .await;
    check(
        "SELECT x.ts FROM events",
        expect![[r#"
        HW-Q007 at 1:8 (byte 7): there is no column `x.ts`
            did you mean `events.ts`?
    "#]],
    )
    .await;
}

#[tokio::test]
async fn unknown_functions_come_with_proposals() {
    check(
        "SELECT cuont(*), uper('x') FROM events",
        expect![[r#"
            HW-Q008 at 1:8 (byte 7): there is no function `cuont`
                did you mean `count`? `SHOW FUNCTIONS` lists all
            HW-Q008 at 1:18 (byte 17): there is no function `uper`
                did you mean `upper`? `SHOW FUNCTIONS` lists all
        "#]],
    )
    .await;
    check(
        "SELECT * FROM generate_serie(1, 2)",
        expect![[r#"
            HW-Q008 at 1:15 (byte 14): there is no table function `generate_serie`
                did you mean `generate_series`? `SHOW FUNCTIONS` lists all
        "#]],
    )
    .await;
}

#[tokio::test]
async fn types_that_do_not_go_together_are_told() {
    check(
        "SELECT ts + event FROM events",
        expect![[r#"
            HW-Q009 at 1:8 (byte 7): cannot coerce arithmetic expression Int64 + Utf8View to valid types
        "#]],
    )
    .await;
    check(
        "SELECT sum(event) FROM events",
        expect![[r#"
        HW-Q009: the function `sum` does not take String
    "#]],
    )
    .await;
    check(
        "SELECT ts, count(*) FROM events",
        expect![[r#"
        HW-Q009 at 1:8 (byte 7): column `events.ts` must stand in GROUP BY or within an aggregate function
            either add 'events.ts' to GROUP BY clause, or use an aggregate function like ANY_VALUE(events.ts)
    "#]],
    )
    .await;
    check(
        "SELECT 1 UNION SELECT 1, 2",
        expect![[r#"
            HW-Q009 at 1:1 (byte 0): UNION queries have different number of columns
        "#]],
    )
    .await;
    check(
        "SELECT 1 AS a, 2 AS a",
        expect![[r#"
        HW-Q007: two columns of SELECT are named `a`
            give each column a name of its own with AS
    "#]],
    )
    .await;
}

#[tokio::test]
async fn values_that_cannot_be_computed_are_the_data_s_fault() {
    check(
        "SELECT 1 / 0",
        expect![[r#"
        HW-Q016: division by zero
    "#]],
    )
    .await;
    check(
        "SELECT ts / (ts - 10) FROM events",
        expect![[r#"
        HW-Q016: division by zero
    "#]],
    )
    .await;
    check(
        "SELECT CAST(event AS INT) FROM events",
        expect![[r#"
        HW-Q016: cannot cast string 'view' to value of Int32 type
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_broken_view_names_itself() {
    let world = world().await;
    world.view("broken", "SELECT nothing FROM events");
    world.view("gone", "SELECT * FROM dropped");
    world.view("loop", "SELECT * FROM loop");
    for (view, expected) in [
        (
            "broken",
            expect![[r#"
            HW-Q007 at 1:15 (byte 14): view `broken` no longer works: there is no column `nothing`
                make it anew with CREATE OR REPLACE VIEW, or drop it with DROP VIEW
        "#]],
        ),
        (
            "gone",
            expect![[r#"
            HW-Q006 at 1:15 (byte 14): view `gone` no longer works: there is no table `dropped`
                make it anew with CREATE OR REPLACE VIEW, or drop it with DROP VIEW
        "#]],
        ),
        (
            "loop",
            expect![[r#"
                HW-Q002 at 1:15 (byte 14): view `loop` reads itself
                    let it read tables instead of other views
            "#]],
        ),
    ] {
        expected.assert_eq(&told(&world.csv(&format!("SELECT * FROM {view}")).await.unwrap_err()));
    }
}

#[tokio::test]
async fn all_unknown_columns_and_functions_are_told_at_once() {
    let recorded = [
        (
            "SELECT evnt, ts + tss, lowr(event) FROM events WHERE e.pric > 1 AND devize = 'x' GROUP BY evnt ORDER BY tz",
            expect![[r#"
                HW-Q007 at 1:8 (byte 7): there is no column `evnt`
                    did you mean `event`?
                HW-Q007 at 1:19 (byte 18): there is no column `tss`
                    did you mean `ts`?
                HW-Q008 at 1:24 (byte 23): there is no function `lowr`
                HW-Q007 at 1:54 (byte 53): there is no column `e.pric`
                    did you mean `events."Price"`?
                HW-Q007 at 1:69 (byte 68): there is no column `devize`
                    the columns here are `user`, `ts`, `event`, `"Price"`
            "#]],
        ),
        (
            "SELECT * FROM (SELECT a.usr FROM events a JOIN events b ON a.usr = b.\"user\") q WHERE q.zzz IN (SELECT yyy FROM events)",
            expect![[r#"
                HW-Q007 at 1:23 (byte 22): there is no column `a.usr`
                    did you mean `a.user`?
                HW-Q007 at 1:60 (byte 59): there is no column `a.usr`
                    did you mean `a.user`?
                HW-Q007 at 1:86 (byte 85): there is no column `q.zzz`
                    the columns here are `q.usr`
                HW-Q007 at 1:103 (byte 102): there is no column `yyy`
                    the columns here are `user`, `ts`, `event`, `"Price"`
            "#]],
        ),
        // What a faulty column is called stands for it elsewhere.
        (
            "SELECT q.usr FROM (SELECT usr FROM events) q ORDER BY usr",
            expect![[r#"
                HW-Q007 at 1:27 (byte 26): there is no column `usr`
                    did you mean `user`?
            "#]],
        ),
        (
            "EXPLAIN SELECT evnt, evnt FROM events",
            expect![[r#"
            HW-Q007 at 1:16 (byte 15): there is no column `evnt`
                did you mean `event`?
            HW-Q007 at 1:22 (byte 21): there is no column `evnt`
                did you mean `event`?
        "#]],
        ),
        // A fault of another kind is told alone: others might come of it.
        (
            "SELECT evnt FROM evnts",
            expect![[r#"
            HW-Q006 at 1:18 (byte 17): there is no table `evnts`
                did you mean `events`?
        "#]],
        ),
    ];
    for (sql, expected) in recorded {
        let world = world().await;
        let error = world.csv(sql).await.unwrap_err();
        expected.assert_eq(&told(&error));
    }
}
