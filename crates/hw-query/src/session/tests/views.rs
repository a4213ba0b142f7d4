//! Views: what is kept of a definition, what is refused, and what happens when what a view reads has changed.
use hw_catalog::{TableKind, TableVersion};

use super::*;
use crate::{QueryError, Session, StoredTable, ViewStatement};

/// Makes the view of a statement, as its owner would keep it, and tells what was kept.
async fn make(world: &World, session: &Session, sql: &str) -> Result<String, QueryError> {
    let Some(ViewStatement::Create(definition)) = session.view_statement(sql)? else {
        panic!("{sql} makes no view");
    };
    let defined = session.define_view(&definition).await?;
    let columns = defined.schema.fields().iter();
    let columns: Vec<String> = columns
        .map(|field| format!("{} {}", field.name(), field.data_type()))
        .collect();
    let reads: Vec<String> = defined.view.reads.iter().map(ToString::to_string).collect();
    let told = format!(
        "{} ({}) reads [{}]: {}\n",
        definition.name,
        columns.join(", "),
        reads.join(", "),
        defined
            .view
            .query
            .replace(world.folder.path().to_str().unwrap(), "FOLDER")
    );
    let mut table = (*world.tables.stored("events").table).clone();
    table.name = definition.name.clone();
    table.kind = TableKind::View;
    table.version = TableVersion(1);
    table.schema = defined.schema;
    table.dataset = None;
    table.group_column = definition.group.map(|column| column.name);
    table.time_column = definition.time.map(|column| column.name);
    let query = Some(defined.view.query.as_str().into());
    table.view = Some(Box::new(defined.view));
    world.tables.put(StoredTable {
        table: Arc::new(table),
        parts: Arc::new([]),
        query,
    });
    Ok(told)
}

/// What is told of each statement, one after the other: of a definition what was kept, of a query its rows.
async fn script(statements: &[&str], expected: Expect) {
    let world = world().await;
    world.write("people.csv", "id,name\n1,Ann\n2,Bob\n");
    expected.assert_eq(&told_by(&world, statements).await);
}

async fn told_by(world: &World, statements: &[&str]) -> String {
    let session = world.session();
    let mut answer = String::new();
    for sql in statements {
        let done = match session.view_statement(sql) {
            Ok(Some(ViewStatement::Create(_))) => make(world, &session, sql).await,
            Ok(Some(ViewStatement::Drop(dropped))) => Ok(format!("drops {}, {}\n", dropped.name, dropped.if_exists)),
            Ok(None) => csv(&session, sql, &[]).await,
            Err(error) => Err(error),
        };
        answer += &done.unwrap_or_else(|error| told(&error));
    }
    answer.replace(world.folder.path().to_str().unwrap(), "FOLDER")
}

#[tokio::test]
async fn a_view_has_the_columns_of_its_query_or_names_of_its_own() {
    script(
        &[
            "CREATE VIEW v AS SELECT \"user\", ts FROM events WHERE ts < 30;",
            "SELECT * FROM v ORDER BY ts",
            "  create or replace view V (who, \"When\") with (group = who, time = 'When', comment = 'as AS') as\n -- all\nselect \"user\", ts from events",
            "SELECT who, \"When\" FROM v WHERE \"When\" = 40",
            "CREATE VIEW w AS WITH v AS (SELECT 1 AS one) SELECT * FROM v",
            "SELECT * FROM w",
            "CREATE VIEW twice_named (a, b) AS SELECT x.ts, y.ts FROM events x JOIN events y ON x.ts = y.ts",
            "SELECT * FROM twice_named ORDER BY a LIMIT 1",
            "DROP VIEW IF EXISTS v",
            "DROP VIEW tmp.v;",
        ],
        expect![[r#"
            v (user Int64, ts Int64) reads [events]: SELECT "user", ts FROM events WHERE ts < 30
            user,ts
            1,10
            1,20
            v (who Int64, When Int64) reads [events]: select "user", ts from events
            who,When
            3,40
            w (one Int64) reads []: WITH v AS (SELECT 1 AS one) SELECT * FROM v
            one
            1
            twice_named (a Int64, b Int64) reads [events]: SELECT x.ts, y.ts FROM events x JOIN events y ON x.ts = y.ts
            a,b
            10,10
            drops v, true
            drops tmp.v, false
        "#]],
    )
    .await;
}

#[tokio::test]
async fn views_read_views_funnels_files_and_clauses() {
    script(
        &[
            "CREATE VIEW v AS SELECT * FROM events WITH_ALIAS",
            "CREATE VIEW named AS SELECT name, ts FROM v JOIN 'people.csv' p ON p.id = v.\"user\"",
            "SELECT * FROM named ORDER BY ts",
            r#"CREATE VIEW steps AS SELECT step, groups FROM funnel(v, '{"funnel": {"sequence": [{"filter": ["event", "==", "view"]}, {"filter": ["event", "==", "buy"]}]}}', 'user', 'ts')"#,
            "SELECT * FROM steps",
            r#"CREATE VIEW of_files AS SELECT groups FROM funnel('events/*.parquet', '{"funnel": {"sequence": [{"filter": ["event", "==", "view"]}]}}', 'user', 'ts')"#,
            "SELECT * FROM of_files",
            "CREATE VIEW two AS (SELECT 1 AS a UNION SELECT max(ts) FROM \"events/a.parquet\") ORDER BY 1",
            "SELECT * FROM two",
        ],
        expect![[r#"
            v (user Int64, ts Int64, event Utf8View, Price Float64) reads [events]: SELECT * FROM events WITH_ALIAS
            named (name Utf8, ts Int64) reads [v]: SELECT name, ts FROM v JOIN 'FOLDER/people.csv' p ON p.id = v."user"
            name,ts
            Ann,10
            Ann,20
            Bob,30
            steps (step Int64, groups Int64) reads [v]: SELECT step, groups FROM funnel(v, '{"funnel": {"sequence": [{"filter": ["event", "==", "view"]}, {"filter": ["event", "==", "buy"]}]}}', 'user', 'ts')
            step,groups
            1,2
            2,1
            of_files (groups Int64) reads []: SELECT groups FROM funnel('FOLDER/events/*.parquet', '{"funnel": {"sequence": [{"filter": ["event", "==", "view"]}]}}', 'user', 'ts')
            groups
            2
            two (a Int64) reads []: (SELECT 1 AS a UNION SELECT max(ts) FROM "FOLDER/events/a.parquet") ORDER BY 1
            a
            1
            20
        "#]],
    )
    .await;
}

#[tokio::test]
async fn every_fault_of_a_definition_is_told_at_its_place() {
    script(
        &[
            "CREATE VIEW v AS SELECT nme FROM evnts",
            "CREATE VIEW \"é\" AS\nSELECT \"usr\", sqroot(1) FROM events",
            "CREATE VIEW v (a, a) WITH (group = 'b', tim = 'x', group = 'c') AS SELECT 1, 2",
            "CREATE VIEW v (a, a) AS SELECT 1, 2",
            "CREATE VIEW v (a) AS SELECT 1, 2",
            "CREATE VIEW v AS SELECT x.ts, y.ts FROM events x JOIN events y ON x.ts = y.ts",
            "CREATE VIEW v WITH (group = 'Price', time = 'evnt') AS SELECT * FROM events",
            "CREATE VIEW v WITH (group = 'ts', time = ts) AS SELECT * FROM events",
            "CREATE VIEW v AS SELECT * FROM events WHERE ts > $1 AND \"user\" = $2",
            "CREATE VIEW v AS SELECT 1 AS a; SELECT 2 AS b",
            "CREATE VIEW v AS",
            "CREATE VIEW v",
            "CREATE VIEW v AS SHOW TABLES",
            "CREATE VIEW v AS EXPLAIN SELECT 1",
            "CREATE VIEW v AS DELETE FROM events",
            "CREATE OR REPLACE VIEW IF NOT EXISTS v AS SELECT 1 AS a",
            "CREATE VIEW other.x.v AS SELECT 1 AS a",
            "CREATE VIEW information_schema.v AS SELECT 1 AS a",
            "CREATE VIEW 'a.parquet' AS SELECT 1 AS a",
            "CREATE VIEW v (a INT) AS SELECT 1",
            "CREATE VIEW v WITH (group = 1) AS SELECT 1 AS a",
            "CREATE VIEW v AS SELECT * FROM 'nothing/*.parquet'",
            "DROP VIEW a, b",
            "DROP VIEW a CASCADE",
        ],
        expect![[r#"
            HW-Q006 at 1:34 (byte 33): there is no table `evnts`
                did you mean `events`?
            HW-Q007 at 2:8 (byte 26): there is no column `usr`
                did you mean `user`?
            HW-Q008 at 2:15 (byte 33): there is no function `sqroot`
                did you mean `sqrt`? `SHOW FUNCTIONS` lists all
            HW-Q009 at 1:41 (byte 40): a view has no option `tim`
                did you mean `time`?
            HW-Q009 at 1:52 (byte 51): `group` is given twice
                leave one away
            HW-Q007 at 1:19 (byte 18): 2 columns of the view are named `a`
                name them apart with AS, for instance `a_2`
            HW-Q007 at 1:16 (byte 15): names are given for 1 columns, but the query gives 2
                name every column, or none
            HW-Q007 at 1:13 (byte 12): 2 columns of the view are named `ts`
                name them apart with AS, for instance `ts_2`
            HW-Q009 at 1:29 (byte 28): the group column `Price` is of type Float64
                the group column must be an integer or a text; CAST it in the query
            HW-Q007 at 1:45 (byte 44): the view has no column `evnt` to be its time column
                did you mean `event`?
            HW-Q009 at 1:42 (byte 41): the group column and the time column must be two columns
            HW-Q010 at 1:50 (byte 49): `$1` stands in a view, which takes no parameters
                write the value, or leave the condition to those who ask the view
            HW-Q010 at 1:66 (byte 65): `$2` stands in a view, which takes no parameters
                write the value, or leave the condition to those who ask the view
            HW-Q003: there are 2 statements where one is expected
                send one statement per request
            HW-Q001 at 1:17 (byte 16): a view needs a query behind AS
                write CREATE [OR REPLACE] VIEW [IF NOT EXISTS] name [(column, ...)] [WITH (group = '...', time = '...')] AS SELECT ...
            HW-Q001 at 1:14 (byte 13): expected: AS, found: EOF
            HW-Q004 at 1:18 (byte 17): a view is one query, and nothing else
                write SELECT, WITH or VALUES behind AS
            HW-Q004 at 1:18 (byte 17): a view is one query, and nothing else
                write SELECT, WITH or VALUES behind AS
            HW-Q004 at 1:18 (byte 17): DELETE is not carried out here
                SQL writes no rows yet; make a table of files with `headwater table register NAME PATH`
            HW-Q009 at 1:38 (byte 37): OR REPLACE and IF NOT EXISTS exclude each other
                leave one of them away
            HW-Q006 at 1:13 (byte 12): `other.x.v` is not the name of a view
                a view is named `view`, `schema.view` or `headwater.schema.view`
            HW-Q009 at 1:13 (byte 12): `information_schema` holds what the catalog tells of itself, and nothing else
                choose another schema
            HW-Q009: `"a.parquet"` looks like a file, which nobody could name any more
                give it a name without `/`, `*`, `?` and ending
            HW-Q001 at 1:18 (byte 17): expected: ), found: INT
            HW-Q009 at 1:21 (byte 20): the option `group` takes a text
                write WITH (group = '...')
            HW-Q012: `FOLDER/nothing/` does not exist
                check the spelling; a relative path starts at the client's folder
            HW-Q005 at 1:1 (byte 0): several views in one statement are not supported
                write one statement for each
            HW-Q005 at 1:1 (byte 0): CASCADE is not supported
                drop the views that read it first
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_view_never_reads_itself_and_is_nested_within_bounds() {
    let world = world().await;
    let mut statements = vec!["CREATE VIEW v0 AS SELECT 1 AS a".to_owned()];
    statements.extend((1..20).map(|n| format!("CREATE VIEW v{n} AS SELECT * FROM v{}", n - 1)));
    statements.push("CREATE OR REPLACE VIEW v0 AS SELECT * FROM v0".to_owned());
    statements.push("CREATE OR REPLACE VIEW v0 AS SELECT * FROM v2 JOIN events ON true".to_owned());
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    let answer = told_by(&world, &statements).await;
    let faults: Vec<&str> = answer.lines().skip(14).collect();
    expect![[r#"
        v14 (a Int64) reads [v13]: SELECT * FROM v13
        v15 (a Int64) reads [v14]: SELECT * FROM v14
        HW-Q002 at 1:34 (byte 33): view `v0` is nested more than 16 deep
            let it read tables instead of other views
        HW-Q006 at 1:34 (byte 33): there is no table `v16`
            did you mean `v1`?
        HW-Q006 at 1:34 (byte 33): there is no table `v17`
            did you mean `v1`?
        HW-Q006 at 1:34 (byte 33): there is no table `v18`
            did you mean `v1`?
        HW-Q009 at 1:24 (byte 23): view `v0` would read itself
            read what it reads now, `headwater table show NAME` tells it, or give the new one another name
        HW-Q009 at 1:24 (byte 23): view `v0` would read itself
            read what it reads now, `headwater table show NAME` tells it, or give the new one another name"#]]
    .assert_eq(&faults.join("\n"));
    // Two that are replaced at the same time may read each other.
    world.view("one", "SELECT * FROM other a JOIN other b ON true");
    world.view("other", "SELECT * FROM one a JOIN one b ON true");
    let error = world.csv("SELECT * FROM one JOIN other ON true").await.unwrap_err();
    expect![[r#"
        HW-Q002 at 1:15 (byte 14): view `one` reads itself
            let it read tables instead of other views
        HW-Q002 at 1:24 (byte 23): view `other` reads itself
            let it read tables instead of other views
    "#]]
    .assert_eq(&told(&error));
}

#[tokio::test]
async fn a_view_keeps_its_columns_when_what_it_reads_changes() {
    let world = world().await;
    let made = told_by(
        &world,
        &[
            "CREATE VIEW v AS SELECT * FROM events",
            "CREATE VIEW w (who, price) AS SELECT \"user\", \"Price\" FROM v",
        ],
    )
    .await;
    assert!(made.contains("w (who Int64, price Float64)"), "{made}");
    let with = |columns: Vec<(&str, ArrayRef)>| RecordBatch::try_from_iter(columns).unwrap();
    let ints = || Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef;
    let texts = || Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef;
    let floats = || Arc::new(Float64Array::from(vec![0.5, 1.5])) as ArrayRef;
    let narrow = || Arc::new(arrow_array::Int16Array::from(vec![1, 2])) as ArrayRef;
    let cases = [
        (
            "more",
            vec![
                ("new", ints()),
                ("ts", ints()),
                ("user", narrow()),
                ("Price", floats()),
                ("event", texts()),
            ],
        ),
        ("gone", vec![("ts", ints()), ("user", ints()), ("event", texts())]),
        (
            "other",
            vec![
                ("ts", ints()),
                ("user", texts()),
                ("Price", floats()),
                ("event", texts()),
            ],
        ),
    ];
    let mut answer = String::new();
    for (folder, columns) in cases {
        let batch = with(columns);
        world.parquet(&format!("{folder}/a.parquet"), &batch, 10);
        world.register("events", folder, &batch).await;
        for sql in [
            "SELECT * FROM v ORDER BY ts",
            "SELECT * FROM w ORDER BY who",
            "SHOW TABLES",
        ] {
            let told = world.csv(sql).await.unwrap_or_else(|error| told(&error));
            answer += &format!("{folder}: {}\n", told.replace('\n', " | "));
        }
    }
    expect![[r#"
        more: user,ts,event,Price | 1,1,a,0.5 | 2,2,b,1.5 | 
        more: who,price | 1,0.5 | 2,1.5 | 
        more: table_catalog,table_schema,table_name,table_type | headwater,main,buys,VIEW | headwater,main,events,BASE TABLE | headwater,main,twice,VIEW | headwater,main,v,VIEW | headwater,main,w,VIEW | headwater,tmp,events,BASE TABLE | headwater,information_schema,tables,VIEW | headwater,information_schema,views,VIEW | headwater,information_schema,columns,VIEW | headwater,information_schema,df_settings,VIEW | headwater,information_schema,schemata,VIEW | headwater,information_schema,routines,VIEW | headwater,information_schema,parameters,VIEW | 
        gone: HW-Q007 at 1:15 (byte 14): view `v` no longer works: its query gives no column `Price` any more |     make it anew with CREATE OR REPLACE VIEW, or drop it with DROP VIEW | 
        gone: HW-Q007 at 1:15 (byte 14): view `v` no longer works: its query gives no column `Price` any more |     make it anew with CREATE OR REPLACE VIEW, or drop it with DROP VIEW | 
        gone: table_catalog,table_schema,table_name,table_type | headwater,main,buys,VIEW | headwater,main,events,BASE TABLE | headwater,main,twice,VIEW | headwater,main,v,VIEW | headwater,main,w,VIEW | headwater,tmp,events,BASE TABLE | headwater,information_schema,tables,VIEW | headwater,information_schema,views,VIEW | headwater,information_schema,columns,VIEW | headwater,information_schema,df_settings,VIEW | headwater,information_schema,schemata,VIEW | headwater,information_schema,routines,VIEW | headwater,information_schema,parameters,VIEW | 
        other: HW-Q007 at 1:15 (byte 14): view `v` no longer works: its query gives column `user` as Utf8View, the view has Int64 |     make it anew with CREATE OR REPLACE VIEW, or drop it with DROP VIEW | 
        other: HW-Q007 at 1:15 (byte 14): view `v` no longer works: its query gives column `user` as Utf8View, the view has Int64 |     make it anew with CREATE OR REPLACE VIEW, or drop it with DROP VIEW | 
        other: table_catalog,table_schema,table_name,table_type | headwater,main,buys,VIEW | headwater,main,events,BASE TABLE | headwater,main,twice,VIEW | headwater,main,v,VIEW | headwater,main,w,VIEW | headwater,tmp,events,BASE TABLE | headwater,information_schema,tables,VIEW | headwater,information_schema,views,VIEW | headwater,information_schema,columns,VIEW | headwater,information_schema,df_settings,VIEW | headwater,information_schema,schemata,VIEW | headwater,information_schema,routines,VIEW | headwater,information_schema,parameters,VIEW | 
    "#]].assert_eq(&answer);
}

#[tokio::test]
async fn the_files_of_a_view_are_opened_with_the_rights_of_its_reader() {
    let world = world().await;
    world.write("people.csv", "id,name\n1,Ann\n");
    world.write("open/people.csv", "id,name\n1,Ann\n");
    told_by(
        &world,
        &[
            "CREATE VIEW hidden AS SELECT name FROM 'people.csv'",
            "CREATE VIEW shown AS SELECT name FROM 'open/people.csv'",
            "CREATE VIEW above AS SELECT * FROM hidden",
        ],
    )
    .await;
    let folder = world.path("open");
    let access = Access::allowed([folder.to_str().unwrap()], None).unwrap();
    let reader = world.session_with(access);
    let mut answer = String::new();
    for view in ["shown", "hidden", "above"] {
        let told = csv(&reader, &format!("SELECT * FROM {view}"), &[])
            .await
            .unwrap_or_else(|error| told(&error));
        answer += &told.replace(world.folder.path().to_str().unwrap(), "FOLDER");
    }
    // Nor may such a reader make one that reads them.
    let error = make(&world, &reader, "CREATE VIEW mine AS SELECT * FROM 'people.csv'")
        .await
        .unwrap_err();
    answer += &told(&error).replace(world.folder.path().to_str().unwrap(), "FOLDER");
    expect![[r#"
        name
        Ann
        HW-Q013 at 1:15 (byte 14): view `hidden` reads a file that is not for you: `FOLDER/people.csv` is outside the folders that clients may reach
            an administrator can add the folder or URL prefix to the setting `files.allow`
        HW-Q013 at 1:15 (byte 14): view `hidden` reads a file that is not for you: `FOLDER/people.csv` is outside the folders that clients may reach
            an administrator can add the folder or URL prefix to the setting `files.allow`
        HW-Q013: `FOLDER/people.csv` is outside the folders that clients may reach
            an administrator can add the folder or URL prefix to the setting `files.allow`
    "#]].assert_eq(&answer);
}
