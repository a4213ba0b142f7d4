//! Parts whose numbers have different widths answer as the same rows in one width, whichever way is taken.

use std::sync::Arc;

use arrow::compute::cast;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::DataType;
use hw_catalog::Groups;

use super::dataset_of;
use super::encodings::{PARTS, ROWS, by_pages, by_plan, queries, rows, user};
use super::query_of;
use crate::testing::World;

/// The type of a column in the table, and in each of the parts.
fn widths(column: &str) -> Option<(DataType, [DataType; 3])> {
    use DataType as T;
    match column {
        "user" => Some((T::Int64, [T::Int8, T::Int64, T::UInt32])),
        "small" => Some((T::Int64, [T::Int64, T::Int8, T::Int16])),
        "count" => Some((T::Int64, [T::UInt8, T::Int32, T::Int64])),
        "share" => Some((T::Float64, [T::Float32, T::Float64, T::Float32])),
        _ => None,
    }
}

fn columns(numbers: &[i64], type_of: impl Fn(&str) -> Option<DataType>) -> RecordBatch {
    let columns = rows(numbers).into_iter().map(|(name, array)| {
        let array: ArrayRef = match type_of(name) {
            Some(data_type) => cast(&array, &data_type).unwrap(),
            None => array,
        };
        (name, array, true)
    });
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

async fn world(groups: Groups, mixed: bool) -> World {
    let world = World::new();
    let wide = |name: &str| widths(name).map(|(wide, _)| wide);
    for part in 0..PARTS {
        let belongs = |row: &i64| match groups {
            Groups::Contained => user(*row) % PARTS == part,
            Groups::Split => row / 2 % PARTS == part,
        };
        let numbers: Vec<i64> = (0..ROWS).filter(belongs).collect();
        let own = |name: &str| widths(name).map(|(_, own)| own[usize::try_from(part).unwrap()].clone());
        let batch = if mixed {
            columns(&numbers, own)
        } else {
            columns(&numbers, wide)
        };
        world.parquet(&format!("t/{part}.parquet"), &batch, 13);
    }
    let mut stored = world.register("t", "t", &columns(&[0], wide)).await;
    let mut table = (*stored.table).clone();
    table.group_column = Some("user".to_owned());
    table.time_column = Some("ts".to_owned());
    table.groups = groups;
    stored.table = Arc::new(table);
    world.tables.put(stored);
    world.view("v", "SELECT * FROM t");
    world
}

async fn check(groups: Groups) {
    let (one, mixed) = (world(groups, false).await, world(groups, true).await);
    let dataset = dataset_of(&one.tables.stored("t").table).unwrap();
    for query in queries() {
        let query = query_of(&dataset, &query);
        let expected = by_pages(&one, &query).await;
        let told = |way: &str| format!("{way}, {groups:?}: {}", query.expanded());
        assert_eq!(by_pages(&mixed, &query).await, expected, "{}", told("pages"));
        assert_eq!(by_plan(&mixed, &query).await, expected, "{}", told("plan"));
    }
}

#[tokio::test]
async fn contained_groups_are_matched_alike_in_any_width() {
    check(Groups::Contained).await;
}

#[tokio::test]
async fn straddling_groups_are_matched_alike_in_any_width() {
    check(Groups::Split).await;
}

/// The rows of an answer, without the names of its columns.
async fn answer(world: &World, sql: &str) -> String {
    let csv = world.csv(sql).await.unwrap();
    csv.split_once('\n').unwrap().1.to_owned()
}

#[tokio::test]
async fn sql_sees_one_type_whatever_the_width() {
    let (one, mixed) = (world(Groups::Split, false).await, world(Groups::Split, true).await);
    let statements = [
        "SELECT count(*), sum(count), min(small), max(small), sum(share), count(DISTINCT \"user\") FROM T",
        "SELECT \"user\", count(*) FROM T WHERE small < 0 AND share >= 0.25 GROUP BY \"user\" ORDER BY \"user\"",
        "SELECT count(*) FROM T WHERE \"user\" = 7 OR count > 9",
        "SELECT arrow_typeof(\"user\"), arrow_typeof(small), arrow_typeof(share) FROM T LIMIT 1",
    ];
    for statement in statements {
        let over = |table: &str| statement.replace(" T", &format!(" {table}"));
        let expected = answer(&one, &over("t")).await;
        assert_eq!(answer(&mixed, &over("t")).await, expected, "{statement}");
        let files = over("'t/*.parquet'");
        assert_eq!(answer(&mixed, &files).await, expected, "{files}");
    }
}
