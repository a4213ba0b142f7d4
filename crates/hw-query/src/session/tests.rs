#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use expect_test::{Expect, expect};
use hw_files::Access;
use serde_json::json;

use crate::testing::{World, csv, told};

mod files;
mod fuzz;
mod limits;
mod refusals;
mod size;
mod views;

/// Four events of three users.
fn events() -> RecordBatch {
    let columns: [(&str, ArrayRef, bool); 4] = [
        ("user", Arc::new(Int64Array::from(vec![1, 1, 2, 3])), false),
        ("ts", Arc::new(Int64Array::from(vec![10, 20, 30, 40])), false),
        (
            "event",
            Arc::new(StringArray::from(vec![Some("view"), Some("buy"), Some("view"), None])),
            true,
        ),
        (
            "Price",
            Arc::new(Float64Array::from(vec![None, Some(1.5), None, Some(7.0)])),
            true,
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

async fn world() -> World {
    let world = World::new();
    world.parquet("events/a.parquet", &events().slice(0, 2), 1);
    world.parquet("events/b.parquet", &events().slice(2, 2), 1);
    world.register("events", "events", &events()).await;
    world.register("tmp.events", "events", &events()).await;
    world.view(
        "buys",
        "SELECT \"user\", \"Price\" AS price FROM events WHERE event = 'buy'",
    );
    world.view("twice", "SELECT * FROM buys UNION ALL SELECT * FROM buys");
    world
}

async fn check(sql: &str, expected: Expect) {
    let world = world().await;
    let answer = world.csv(sql).await.unwrap_or_else(|error| told(&error));
    expected.assert_eq(&answer);
}

#[tokio::test]
async fn tables_are_found_under_all_their_names() {
    for name in [
        "events",
        "main.events",
        "headwater.main.events",
        "EVENTS",
        "\"events\"",
        "tmp.events",
    ] {
        let world = world().await;
        let answer = world.csv(&format!("SELECT count(*) AS n FROM {name}")).await.unwrap();
        assert_eq!(answer, "n\n4\n", "{name}");
    }
}

#[tokio::test]
async fn a_dataset_has_its_recorded_rows_and_columns() {
    check(
        "SELECT * FROM events ORDER BY ts",
        expect![[r#"
            user,ts,event,Price
            1,10,view,
            1,20,buy,1.5
            2,30,view,
            3,40,,7.0
        "#]],
    )
    .await;
}

#[tokio::test]
async fn views_read_tables_and_other_views() {
    check(
        "SELECT sum(price) AS total, count(*) AS n FROM twice",
        expect![["total,n\n3.0,2\n"]],
    )
    .await;
}

#[tokio::test]
async fn values_with_and_window_queries_run() {
    check("VALUES (1, 'a'), (2, NULL)", expect![["column1,column2\n1,a\n2,\n"]]).await;
    check(
        "WITH t AS (SELECT * FROM events WHERE ts > 10) SELECT ts, row_number() OVER (ORDER BY ts) AS n FROM t ORDER BY ts;",
        expect![["ts,n\n20,1\n30,2\n40,3\n"]],
    )
    .await;
    check("SELECT abs(-1) AS a, sqrt(4) AS b", expect![["a,b\n1,2.0\n"]]).await;
}

#[tokio::test]
async fn catalog_statements_list_what_there_is() {
    check(
        "SHOW TABLES",
        expect![[r#"
            table_catalog,table_schema,table_name,table_type
            headwater,main,buys,VIEW
            headwater,main,events,BASE TABLE
            headwater,main,twice,VIEW
            headwater,tmp,events,BASE TABLE
            headwater,information_schema,tables,VIEW
            headwater,information_schema,views,VIEW
            headwater,information_schema,columns,VIEW
            headwater,information_schema,df_settings,VIEW
            headwater,information_schema,schemata,VIEW
            headwater,information_schema,routines,VIEW
            headwater,information_schema,parameters,VIEW
        "#]],
    )
    .await;
    check(
        "DESCRIBE events",
        expect![[r#"
        column_name,data_type,is_nullable
        user,Int64,NO
        ts,Int64,NO
        event,Utf8View,YES
        Price,Float64,YES
    "#]],
    )
    .await;
    check(
        "SHOW COLUMNS FROM events",
        expect![[r#"
            table_catalog,table_schema,table_name,column_name,data_type,is_nullable
            headwater,main,events,user,Int64,NO
            headwater,main,events,ts,Int64,NO
            headwater,main,events,event,Utf8View,YES
            headwater,main,events,Price,Float64,YES
        "#]],
    )
    .await;
    check(
        "SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_schema <> 'information_schema' ORDER BY 1, 2",
        expect![[r#"
            table_schema,table_name,table_type
            main,buys,VIEW
            main,events,BASE TABLE
            main,twice,VIEW
            tmp,events,BASE TABLE
        "#]],
    )
    .await;
    check(
        "SHOW CREATE TABLE buys",
        expect![[r#"
            table_catalog,table_schema,table_name,definition
            headwater,main,buys,"SELECT ""user"", ""Price"" AS price FROM events WHERE event = 'buy'"
        "#]],
    )
    .await;
    check(
        "SELECT column_name, is_nullable FROM information_schema.columns WHERE table_name = 'twice'",
        expect![[r#"
            column_name,is_nullable
            user,NO
            price,YES
        "#]],
    )
    .await;
}

#[tokio::test]
async fn parameters_stand_for_placeholders() {
    let world = world().await;
    let session = world.session();
    let sql = "SELECT $1 AS i, $2 AS f, $3 AS t, $4 AS b, $5 AS n, $6 AS u";
    let params = [
        json!(-7),
        json!(0.5),
        json!("it's; --"),
        json!(true),
        json!(null),
        json!(u64::MAX),
    ];
    let answer = csv(&session, sql, &params).await.unwrap();
    assert_eq!(answer, "i,f,t,b,n,u\n-7,0.5,it's; --,true,,18446744073709551615\n");
    let sql = "SELECT ts FROM events WHERE event = $1 ORDER BY ts LIMIT $2";
    assert_eq!(
        csv(&session, sql, &[json!("view"), json!(1)]).await.unwrap(),
        "ts\n10\n"
    );
}

#[tokio::test]
async fn parameters_that_do_not_fit_are_all_told() {
    let world = world().await;
    let error = csv(&world.session(), "SELECT $1, $3", &[json!([1]), json!(2)])
        .await
        .unwrap_err();
    expect![[r#"
        HW-Q010 at /params/0: a parameter is null, a truth value, a number or a text
            pass lists and objects as text and take them apart in the query
        HW-Q010 at /params/1: the statement has no placeholder `$2`
        HW-Q010: there is no value for the placeholder `$3`
            give one value per placeholder
    "#]]
    .assert_eq(&told(&error));
    let error = csv(&world.session(), "SELECT ?", &[json!(1)]).await.unwrap_err();
    assert_eq!(error.code(), "HW-Q010");
}

#[tokio::test]
async fn versions_are_pinned_and_counted() {
    let world = world().await;
    let rows = world
        .session()
        .run("SELECT * FROM twice JOIN tmp.events ON true", &[])
        .await
        .unwrap();
    let pinned: Vec<String> = rows
        .pinned
        .iter()
        .map(|(name, version)| format!("{name}@{version}"))
        .collect();
    assert_eq!(pinned, ["buys@7", "events@7", "twice@7", "tmp.events@7"]);
}

#[tokio::test]
async fn the_summary_tells_rows_bytes_and_pruned_files() {
    use futures::TryStreamExt;
    let world = world().await;
    let rows = world
        .session()
        .run("SELECT event FROM events WHERE ts >= 30", &[])
        .await
        .unwrap();
    let summary = rows.summary.clone();
    let batches: Vec<RecordBatch> = rows.stream.try_collect().await.unwrap();
    let found = summary.read();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
    assert_eq!((found.rows, found.files_total, found.files_pruned), (2, 2, 1));
    assert!(found.bytes_read > 0, "{found:?}");
}

#[tokio::test]
async fn options_hold_for_the_session() {
    let world = world().await;
    let session = world.session();
    assert_eq!(
        csv(&session, "SET datafusion.execution.time_zone = 'Europe/Vienna'", &[])
            .await
            .unwrap(),
        ""
    );
    let sql = "SELECT arrow_typeof(now()) AS t";
    let answer = csv(&session, sql, &[]).await.unwrap();
    assert!(answer.contains("Europe/Vienna"), "{answer}");
    assert!(!csv(&world.session(), sql, &[]).await.unwrap().contains("Vienna"));
    csv(&session, "RESET datafusion.execution.time_zone", &[])
        .await
        .unwrap();
    assert!(!csv(&session, sql, &[]).await.unwrap().contains("Vienna"));
}

#[tokio::test]
async fn other_options_are_refused() {
    check(
        "SET datafusion.execution.listing_table_ignore_subdirectory = false",
        expect![[r#"
            HW-Q011: `datafusion.execution.listing_table_ignore_subdirectory` is no option that a session may set
                a session may set datafusion.execution.batch_size, datafusion.execution.target_partitions, datafusion.execution.time_zone, datafusion.explain.analyze_level, datafusion.explain.format, datafusion.explain.logical_plan_only, datafusion.explain.physical_plan_only, datafusion.explain.show_schema, datafusion.explain.show_sizes, datafusion.explain.show_statistics, datafusion.explain.tree_maximum_render_width, datafusion.optimizer.prefer_hash_join, datafusion.optimizer.repartition_aggregations, datafusion.optimizer.repartition_joins, datafusion.optimizer.repartition_sorts, datafusion.optimizer.repartition_windows, datafusion.sql_parser.default_null_ordering, datafusion.sql_parser.parse_float_as_decimal
        "#]],
    )
    .await;
    check(
        "SET datafusion.execution.time_zon = 'UTC'",
        expect![[r#"
        HW-Q011: `datafusion.execution.time_zon` is no option that a session may set
            did you mean `datafusion.execution.time_zone`?
    "#]],
    )
    .await;
    check(
        "SET datafusion.execution.batch_size = 0",
        expect![[r#"
            HW-Q011: `datafusion.execution.batch_size` does not take this value: value must be greater than 0
        "#]],
    )
    .await;
    check(
        "SET datafusion.execution.target_partitions = 3",
        expect![[r#"
        HW-Q011: `datafusion.execution.target_partitions` goes from 1 to 2 here
    "#]],
    )
    .await;
    check(
        "SET datafusion.execution.batch_size = 'many'",
        expect![[r#"
            HW-Q011: `datafusion.execution.batch_size` does not take this value: invalid digit found in string
        "#]],
    )
    .await;
}

#[tokio::test]
async fn the_catalog_s_fault_is_not_the_user_s() {
    let world = world().await;
    world.tables.shut();
    let error = world.csv("SELECT * FROM events").await.unwrap_err();
    assert_eq!((error.code(), error.fault()), ("HW-Q021", crate::Fault::External));
}

#[tokio::test]
async fn columns_of_one_name_come_with_proposals() {
    let world = world().await;
    let sql = "SELECT a.ts, b.ts FROM events a JOIN events b ON a.ts = b.ts";
    let rows = world.session().run(sql, &[]).await.unwrap();
    let duplicates = rows.duplicate_columns();
    assert_eq!(duplicates.len(), 1);
    assert_eq!(
        (duplicates[0].positions.as_slice(), duplicates[0].aliases.as_slice()),
        (&[0, 1][..], &["ts_2".to_owned()][..])
    );
}

#[tokio::test]
async fn explain_in_sql_shows_plans() {
    let world = world().await;
    let plan = world.csv("EXPLAIN SELECT * FROM events WHERE ts > 10").await.unwrap();
    assert!(
        plan.contains("DataSourceExec") && plan.contains("predicate=ts@1 > 10"),
        "{plan}"
    );
    let plan = world
        .csv("EXPLAIN ANALYZE SELECT * FROM events WHERE ts > 10")
        .await
        .unwrap();
    assert!(plan.contains("output_rows=3"), "{plan}");
}

fn only(world: &World, folder: &str) -> Access {
    Access::allowed([world.path(folder).to_str().unwrap()], None).unwrap()
}

#[tokio::test]
async fn plans_are_explained_as_tree_and_document() {
    let world = world().await;
    let session = world.session();
    let sql = "SELECT event, count(*) AS n FROM events WHERE ts > $1 GROUP BY event";
    let plain = session.explain(sql, &[json!(10)], false).await.unwrap();
    assert!(
        plain.text.contains("└─ ") && plain.text.contains("DataSourceExec"),
        "{}",
        plain.text
    );
    assert!(!plain.text.contains("rows="), "{}", plain.text);
    assert_eq!(plain.plan["rows"], serde_json::Value::Null);
    let run = session.explain(sql, &[json!(10)], true).await.unwrap();
    assert!(run.text.contains("[rows="), "{}", run.text);
    let mut scan = &run.plan;
    while scan["children"].as_array().is_some_and(|children| !children.is_empty()) {
        scan = &scan["children"][0];
    }
    assert_eq!(scan["name"], "DataSourceExec");
    assert_eq!(scan["rows"], 3, "{}", run.text);
    assert_eq!(
        scan["metrics"]["row_groups_pruned_statistics"],
        json!({"pruned": 1, "matched": 3})
    );
    let error = session.explain("SHOW TABLES", &[], false).await.unwrap_err();
    assert_eq!(error.code(), "HW-Q004");
}

#[tokio::test]
async fn columns_are_told_outside_of_sql() {
    let world = world().await;
    for name in ["events", "tmp.events", "events/*.parquet", "events/a.parquet"] {
        let schema = world.session().columns_of(name).await.unwrap();
        assert_eq!(schema.fields().len(), 4, "{name}");
    }
    assert_eq!(world.session().columns_of("twice").await.unwrap().fields().len(), 2);
    let error = world.session().columns_of("evnts").await.unwrap_err();
    expect![[r#"
        HW-Q006: there is no table `evnts`
            did you mean `events`?
    "#]]
    .assert_eq(&told(&error));
}
