//! Funnels named in SQL.

use arrow_array::types::Int32Type;
use arrow_array::{DictionaryArray, Int32Array};
use expect_test::{Expect, expect};
use futures::StreamExt;

use super::*;
use crate::testing::csv;

const STEPS: &str = r#"{"funnel": {"sequence": [{"filter": ["event", "==", "view"]}, {"filter": ["event", "==", "buy"]}, {"filter": ["event", "==", "cart"]}]}}"#;

async fn answer(world: &World, sql: &str) -> String {
    world.csv(sql).await.unwrap_or_else(|error| told(&error))
}

async fn check(sql: &str, expected: Expect) {
    let sql = sql.replace("STEPS", &format!("'{STEPS}'"));
    let contained = world(Groups::Contained).await;
    contained.view("mobile", "SELECT * FROM t WHERE device IS DISTINCT FROM 'desktop'");
    let told = answer(&contained, &sql).await;
    expected.assert_eq(&told);
    let split = world(Groups::Split).await;
    split.view("mobile", "SELECT * FROM t WHERE device IS DISTINCT FROM 'desktop'");
    assert_eq!(answer(&split, &sql).await, told, "an answer does not depend on parts");
}

#[tokio::test]
async fn a_funnel_has_a_row_for_each_step() {
    check(
        "SELECT * FROM funnel(t, STEPS)",
        expect![[r#"
            step,label,groups,rows,step_rate,total_rate
            1,event == view,5,12,1.0,1.0
            2,event == buy,2,7,0.4,0.4
            3,event == cart,1,4,0.5,0.2
        "#]],
    )
    .await;
}

#[tokio::test]
async fn rates_of_nothing_are_null() {
    check(
        r#"SELECT step, groups, step_rate, total_rate FROM funnel('t', '{"timeframe": {"to": 5}, "funnel": {"sequence": [{"filter": ["price", ">", 1]}, {"filter": ["price", ">", 1]}]}}')"#,
        expect![[r#"
            step,groups,step_rate,total_rate
            1,0,,
            2,0,,
        "#]],
    )
    .await;
}

#[tokio::test]
async fn groups_are_ids_in_order() {
    for (arguments, users) in [
        ("STEPS", "user\n4\n"),
        ("STEPS, 'last'", "user\n4\n"),
        ("STEPS, 2", "user\n1\n4\n"),
        ("STEPS, 'user', 'ts', 1", "user\n1\n2\n3\n4\n5\n"),
        (
            r#"'{"query": {"conditions": [{"filter": ["event", "==", "cart"]}]}}'"#,
            "user\n1\n4\n",
        ),
        (
            r#"'{"query": {"conditions": [{"filter": ["price", ">", 1000]}]}}'"#,
            "user\n",
        ),
    ] {
        for groups in [Groups::Contained, Groups::Split] {
            let sql = format!("SELECT * FROM funnel_groups(t, {arguments})").replace("STEPS", &format!("'{STEPS}'"));
            assert_eq!(answer(&world(groups).await, &sql).await, users, "{sql}");
        }
    }
}

#[tokio::test]
async fn funnels_compose_with_the_rest_of_sql() {
    check(
        "WITH bought AS (SELECT * FROM funnel_groups(t, STEPS, 2)), f AS (SELECT * FROM funnel(t, STEPS)) \
         SELECT t.user, sum(price) AS spent, (SELECT max(step) FROM f WHERE groups > 1) AS deep \
         FROM t JOIN bought ON t.user = bought.user GROUP BY t.user ORDER BY 1",
        expect![[r#"
            user,spent,deep
            1,30.5,2
            4,3.0,2
        "#]],
    )
    .await;
    check(
        "SELECT a.step, a.groups - b.groups AS fewer FROM funnel(t, STEPS) a JOIN funnel(mobile, STEPS, 'user', 'ts') AS b USING (step) WHERE a.step < 3 ORDER BY 1",
        expect![[r#"
            step,fewer
            1,2
            2,0
        "#]],
    )
    .await;
    check(
        "SELECT funnel.label, count(*) OVER () AS n FROM FUNNEL('t', STEPS) ORDER BY groups, rows LIMIT 1",
        expect![[r#"
            label,n
            event == cart,3
        "#]],
    )
    .await;
}

#[tokio::test]
async fn files_and_views_are_relations_too() {
    check(
        "SELECT groups FROM funnel('t/*.parquet', STEPS, 'user', 'ts')",
        expect![[r#"
            groups
            5
            2
            1
        "#]],
    )
    .await;
    let world = world(Groups::Contained).await;
    world.view(
        "deep",
        &format!("SELECT step, groups FROM funnel(t, '{STEPS}') WHERE step > 1"),
    );
    world.view("deeper", "SELECT max(groups) AS most FROM deep");
    assert_eq!(
        answer(&world, "SELECT * FROM deeper, deep WHERE step = 3").await,
        "most,step,groups\n2,3,1\n"
    );
}

#[tokio::test]
async fn funnels_are_listed_among_the_functions() {
    for name in ["funnel", "funnel_groups"] {
        let sql = format!("SHOW FUNCTIONS LIKE '{name}'");
        let told = csv(&world(Groups::Contained).await.session(), &sql, &[]).await.unwrap();
        assert_eq!(
            told.lines().skip(1).collect::<Vec<_>>(),
            [format!("{name},TABLE,,,TABLE,,")]
        );
    }
}

#[tokio::test]
async fn queries_may_be_parameters() {
    let world = world(Groups::Contained).await;
    let sql = "SELECT $2 AS what, count(*) AS n FROM funnel_groups($1, $3, $4)";
    let params = [json!("t"), json!("x"), json!(STEPS), json!(2)];
    let told = csv(&world.session(), sql, &params).await.unwrap();
    assert_eq!(told, "what,n\nx,2\n");
}

#[tokio::test]
async fn every_fault_is_told_at_its_place() {
    check(
        r#"SELECT * FROM funnel(t, '{"funnel": {"sequence": [{"filter": ["evnt", "==", "view"]}, {"filter": ["price", "==", "x"]}]}, "colour": 1}'), funnel(x, STEPS), nothing"#,
        expect![[r#"
            HW-F001 at 1:25 (byte 24): the query has no key `colour`
                the keys are `timeframe` `query` `funnel` `compare`
            HW-F003 at 1:25 (byte 24): the dataset has no column `evnt`
                did you mean `event`?
            HW-F002 at 1:25 (byte 24): `"x"`, a string, does not fit the column `price` of type FLOAT: a number is expected
            HW-Q006 at 1:146 (byte 145): there is no table `x`
                did you mean `t`?
            HW-Q006 at 1:290 (byte 289): there is no table `nothing`
                `SHOW TABLES` lists all
        "#]],
    )
    .await;
    check(
        "SELECT * FROM funnel(t, '{')",
        expect![[r#"
        HW-F007 at 1:25 (byte 24): the query is not JSON: EOF while parsing an object (line 1, column 1 of the query)
    "#]],
    )
    .await;
    check(
        "SELECT * FROM funnel(t, '{}')",
        expect![[r#"
        HW-Q009 at 1:25 (byte 24): the query has no `funnel`, so there are no steps
            add one, or ask `funnel_groups` for the groups that match
    "#]],
    )
    .await;
    check(
        "SELECT * FROM funnel_groups(t, STEPS, 4)",
        expect![[r#"
        HW-F018 at 1:172 (byte 171): there is no step 4, the funnel has 3
            name a step from 1 to the number of steps, or 'last'
    "#]],
    )
    .await;
    check(
        "SELECT * FROM funnel_groups(t, STEPS, 'most')",
        expect![[r#"
        HW-Q009 at 1:172 (byte 171): the step of a funnel is 1, 2, ... or 'last'
            write funnel_groups(relation, query, 2), or leave it away for the last step
    "#]],
    )
    .await;
    check(
        "SELECT * FROM funnel(t, STEPS, 'usr', 'Ts')",
        expect![[r#"
            HW-Q007 at 1:165 (byte 164): there is no group column `usr`
                did you mean `user`?
            HW-Q007 at 1:172 (byte 171): there is no time column `Ts`
                did you mean `ts`?
        "#]],
    )
    .await;
    check(
        "SELECT * FROM funnel(mobile, STEPS)",
        expect![[r#"
        HW-F005 at 1:22 (byte 21): no group column and time column are known of `mobile`
            name both after the query: funnel(relation, query, 'group column', 'time column')
    "#]],
    )
    .await;
    check(
        "SELECT * FROM funnel(t), funnel(t, STEPS, 'user'), funnel(t, upper('x')), funnel(t, query => STEPS)",
        expect![[r#"
            HW-Q009 at 1:15 (byte 14): `funnel` takes 2 or 4 arguments, not 1
                write funnel(relation, query) or funnel(relation, query, group, time)
            HW-Q009 at 1:26 (byte 25): `funnel` takes 2 or 4 arguments, not 3
                write funnel(relation, query) or funnel(relation, query, group, time)
            HW-Q009 at 1:195 (byte 194): an argument of a funnel is a text, a number, the name of a table or a placeholder
                write the value itself, or `$1` and give it with the statement
            HW-Q009 at 1:208 (byte 207): a funnel takes its arguments by their order, without names or `*`
                write funnel('table', '{...}', 'group column', 'time column')
        "#]],
    )
    .await;
    check(
        "SELECT * FROM t, LATERAL funnel(t, STEPS)",
        expect![[r#"
        HW-Q005 at 1:26 (byte 25): LATERAL before a funnel is not supported
            leave LATERAL away: a funnel does not depend on the rows beside it
    "#]],
    )
    .await;
    check(
        "SELECT * FROM funel(t, STEPS)",
        expect![[r#"
        HW-Q008 at 1:15 (byte 14): there is no table function `funel`
            did you mean `funnel`? `SHOW FUNCTIONS` lists all
    "#]],
    )
    .await;
    check(
        "SELECT stp FROM funnel(t, STEPS)",
        expect![[r#"
        HW-Q007 at 1:8 (byte 7): there is no column `stp`
            did you mean `step`?
    "#]],
    )
    .await;
}

#[tokio::test]
async fn faults_of_a_query_point_into_it() {
    let wrong = STEPS.replace("event", "evnt");
    let sql = format!("SELECT 1\nFROM funnel(t, '{wrong}')");
    let error = world(Groups::Contained).await.csv(&sql).await.unwrap_err();
    assert_eq!(error.fault(), crate::Fault::Input);
    let findings = error.findings();
    let told: Vec<_> = findings
        .iter()
        .map(|finding| {
            (
                finding.pointer.as_deref().unwrap(),
                finding.code.as_str(),
                finding.line,
                finding.column,
            )
        })
        .collect();
    let at = |pointer| (pointer, "HW-F003", Some(2), Some(16));
    let steps = [
        "/funnel/sequence/0/filter/0",
        "/funnel/sequence/1/filter/0",
        "/funnel/sequence/2/filter/0",
    ];
    assert_eq!(told, steps.map(at));
}

#[tokio::test]
async fn a_view_cannot_ask_itself() {
    let world = world(Groups::Contained).await;
    world.view("v", &format!("SELECT * FROM funnel_groups(v, '{STEPS}', 'user', 'ts')"));
    let told = answer(&world, "SELECT * FROM v").await;
    assert!(told.contains("view `v` reads itself"), "{told}");
}

#[tokio::test]
async fn plans_show_the_operator() {
    let world = world(Groups::Split).await;
    let sql = format!("SELECT label FROM funnel(t, '{STEPS}') WHERE step = 2");
    let explained = world.session().explain(&sql, &[], true).await.unwrap();
    let text = explained.text;
    assert!(text.contains("FunnelTableExec"), "{text}");
    let told = answer(&world, &format!("EXPLAIN {sql}")).await;
    let line = "FunnelTableExec: funnel, relation=t, columns=[user, ts, event], by_group=true";
    assert!(told.contains(line), "{told}");
}

#[tokio::test]
async fn only_the_columns_of_the_query_are_read() {
    let world = world(Groups::Contained).await;
    let read = async |sql: &str| {
        let mut rows = world.session().run(sql, &[]).await.unwrap();
        while let Some(batch) = rows.stream.next().await {
            batch.unwrap();
        }
        rows.summary.read().bytes_read
    };
    let whole = read("SELECT * FROM t").await;
    let few = read(&format!("SELECT * FROM funnel(t, '{STEPS}')")).await;
    assert!(few > 0 && few < whole, "{few} of {whole}");
}

#[tokio::test]
async fn ids_have_the_type_of_their_column() {
    let world = World::new();
    let names: DictionaryArray<Int32Type> = ["b", "a", "b"].into_iter().collect();
    let batch = RecordBatch::try_from_iter([
        ("Who is it", Arc::new(names) as ArrayRef),
        ("ts", Arc::new(Int32Array::from(vec![1, 2, 3]))),
    ])
    .unwrap();
    world.parquet("d/a.parquet", &batch, 10);
    let sql =
        r#"SELECT "Who is it", arrow_typeof("Who is it") AS type FROM funnel_groups('d/', '{}', 'Who is it', 'ts')"#;
    let told = answer(&world, sql).await;
    let ids: Vec<&str> = told.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    assert_eq!(ids, ["a", "b"], "{told}");
    assert!(told.contains("Utf8"), "{told}");
}

/// As many groups as rows.
async fn large(memory: u64) -> World {
    let world = World::with(|config| {
        config.memory_limit = memory;
        config.spill_limit = 0;
    });
    let ids: Vec<i64> = (0..300_000).collect();
    let columns: [(&str, ArrayRef); 2] = [
        ("user", Arc::new(Int64Array::from(ids.clone()))),
        ("ts", Arc::new(Int64Array::from(ids))),
    ];
    world.parquet("large/a.parquet", &RecordBatch::try_from_iter(columns).unwrap(), 50_000);
    world
}

const ALL: &str = "SELECT count(*) AS n FROM funnel_groups('large/', '{}', 'user', 'ts')";

#[tokio::test]
async fn memory_is_limited_and_given_back() {
    assert_eq!(answer(&large(256 << 20).await, ALL).await, "n\n300000\n");
    let small = large(1 << 20).await;
    let error = small.csv(ALL).await.unwrap_err();
    assert_eq!(error.code(), "HW-Q017", "{error}");
    assert_eq!(small.engine.memory().reserved, 0);
}

/// What distributes rows ends a moment after its statement.
async fn check_given_back(world: &World) {
    for _ in 0..200 {
        if world.engine.memory().reserved == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("still held: {:?}", world.engine.memory());
}

#[tokio::test]
async fn a_dropped_statement_stops_its_funnel() {
    let world = large(256 << 20).await;
    let rows = world.session().run(ALL, &[]).await.unwrap();
    drop(rows);
    check_given_back(&world).await;
}
