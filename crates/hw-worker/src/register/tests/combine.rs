use arrow_array::types::Int32Type;
use arrow_array::{
    DictionaryArray, Float32Array, Float64Array, Int8Array, Int32Array, Int64Array, LargeStringArray, RecordBatch,
    StringArray, TimestampMicrosecondArray, TimestampNanosecondArray, UInt32Array, UInt64Array,
};
use expect_test::{Expect, expect};
use hw_catalog::{Bound, Finding, Groups, Scalar};
use parquet::file::properties::WriterProperties;

use super::samples::{array, batch, events, inspected, lines, options, try_inspect, without_statistics};
use crate::register::combine::compare_ids;
use crate::register::{
    CombineOptions, Combined, InspectOptions, Inspected, Outlines, PartOutline, combine, combine_folded,
};

fn over(parts: usize) -> CombineOptions {
    CombineOptions {
        group: Some("user".to_owned()),
        time: Some("at".to_owned()),
        ..CombineOptions::for_parts(parts)
    }
}

async fn parts(rows: &[&[(i64, i64, &str)]]) -> Vec<Inspected> {
    let mut parts = Vec::new();
    for (number, rows) in rows.iter().enumerate() {
        parts.push(inspected(&format!("{number}.parquet"), &[events(rows)]).await);
    }
    parts
}

/// Parts with one column `x` each, whose columns are not in roles.
async fn single_columns(columns: Vec<arrow_array::ArrayRef>) -> Vec<Inspected> {
    let mut parts = Vec::new();
    for (number, column) in columns.into_iter().enumerate() {
        let rows = batch(vec![("x", column)]);
        let path = format!("{number}.parquet");
        let options = InspectOptions::default();
        parts.push(
            try_inspect(&path, &[rows], WriterProperties::default(), &options)
                .await
                .unwrap(),
        );
    }
    parts
}

fn plain(parts: &[Inspected]) -> Result<Combined, Vec<Finding>> {
    combine(parts, &[], &CombineOptions::for_parts(parts.len()))
}

#[track_caller]
fn check_faults(result: Result<Combined, Vec<Finding>>, expected: Expect) {
    expected.assert_eq(&lines(&result.unwrap_err()));
}

#[tokio::test]
async fn parts_make_a_table() {
    let parts = parts(&[
        &[(1, 10, "view"), (1, 11, "buy")],
        &[(2, -5, "view"), (3, 7, "view")],
        &[],
    ])
    .await;
    let all = combine(&parts, &[], &over(3)).unwrap();
    assert_eq!((all.rows, all.inspected, all.containment_proven), (Some(4), 3, true));
    assert_eq!(all.sorted_by, ["user", "at"]);
    let at = &all.columns[1];
    assert_eq!(
        (at.min.clone().unwrap().value, at.max.clone().unwrap().value),
        (Scalar::Int(-5), Scalar::Int(11))
    );
    assert_eq!(at.null_count, Some(0));
    let kind = &all.columns[2];
    assert_eq!(
        kind.top_values,
        [("view".to_owned(), 0.75), ("buy".to_owned(), 0.25)],
        "an empty part has no share"
    );
    assert_eq!(kind.unique_ratio, Some(0.75));
}

#[tokio::test]
async fn a_sample_proves_less() {
    let parts = parts(&[&[(1, 1, "x")], &[(2, 2, "x")]]).await;
    let sample = combine(&parts, &[], &over(9)).unwrap();
    assert_eq!(
        (sample.rows, sample.inspected, sample.containment_proven),
        (None, 2, false)
    );
    assert_eq!(sample.sorted_by, Vec::<String>::new());
    assert_eq!(sample.columns[0].null_count, None);
    assert_eq!(sample.columns[0].max.as_ref().unwrap().value, Scalar::Int(2));
}

#[tokio::test]
async fn the_footers_of_other_parts_add_to_a_sample() {
    let all = parts(&[&[(1, 1, "x")], &[(2, 2, "x")], &[(9, 900, "y")]]).await;
    let others: Vec<PartOutline> = all[1..].iter().map(|part| part.inspection.outline.clone()).collect();
    let combined = combine(&all[..1], &others, &over(3)).unwrap();
    assert_eq!(
        (combined.rows, combined.inspected, combined.containment_proven),
        (Some(3), 1, false)
    );
    assert_eq!(combined.columns[1].max.as_ref().unwrap().value, Scalar::Int(900));
    assert_eq!(
        (combined.columns[0].null_count, combined.columns[2].null_count),
        (Some(0), Some(0))
    );
    assert_eq!(
        combined.sorted_by,
        Vec::<String>::new(),
        "only what was inspected is known to be sorted"
    );

    let silent = try_inspect("3", &[events(&[(4, 4, "x")])], without_statistics(), &options())
        .await
        .unwrap();
    let combined = combine(&all, &[silent.inspection.outline], &over(4)).unwrap();
    assert_eq!(combined.rows, Some(4));
    assert_eq!(
        (&combined.columns[1].max, combined.columns[1].null_count),
        (&None, None),
        "a footer that does not tell"
    );
}

#[tokio::test]
async fn groups_that_straddle_parts_are_told() {
    let straddling = parts(&[
        &[(1, 1, "x"), (2, 1, "x")],
        &[(2, 2, "x"), (3, 2, "x")],
        &[(2, 3, "x"), (1, 3, "x")],
    ])
    .await;
    check_faults(
        combine(&straddling, &[], &over(3)),
        expect![[r#"
        HW-T038 '/groups' groups are not contained in parts: the 3 parts looked at hold 3 distinct values of `user`, but 6 when counted part by part; for instance `1` in `0.parquet` and `2.parquet`, `2` in `0.parquet` and `1.parquet`, `2` in `1.parquet` and `2.parquet`
            register with `--groups split`, which is exact for groups that straddle parts; `headwater table repartition` then makes a table of contained groups, over which funnels are faster
    "#]],
    );
    let split = combine(
        &straddling,
        &[],
        &CombineOptions {
            groups: Groups::Split,
            ..over(3)
        },
    )
    .unwrap();
    assert_eq!((split.groups, split.containment_proven), (Groups::Split, false));
    let trusted = combine(
        &straddling,
        &[],
        &CombineOptions {
            check_uniqueness: false,
            ..over(3)
        },
    )
    .unwrap();
    assert!(!trusted.containment_proven);
}

#[tokio::test]
async fn text_and_large_numbers_are_compared_exactly() {
    let users = |ids: Vec<u64>| {
        batch(vec![
            ("user", array(UInt64Array::from(ids))),
            ("at", array(Int64Array::from(vec![1]))),
        ])
    };
    let near = [
        inspected("a", &[users(vec![u64::MAX])]).await,
        inspected("b", &[users(vec![u64::MAX - 1])]).await,
    ];
    assert!(combine(&near, &[], &over(2)).unwrap().containment_proven);
    let texts = |id: &str| {
        batch(vec![
            ("user", array(StringArray::from(vec![id]))),
            ("at", array(Int64Array::from(vec![1]))),
        ])
    };
    let different = [
        inspected("a", &[texts("1")]).await,
        inspected("b", &[texts("01")]).await,
        inspected("c", &[texts("")]).await,
    ];
    assert!(combine(&different, &[], &over(3)).unwrap().containment_proven);
    let same = [inspected("a", &[texts("")]).await, inspected("b", &[texts("")]).await];
    assert!(combine(&same, &[], &over(2)).is_err());
}

#[tokio::test]
async fn one_part_contains_its_groups() {
    let one = parts(&[&[(1, 1, "x")]]).await;
    let unchecked = CombineOptions {
        check_uniqueness: false,
        ..over(1)
    };
    assert!(combine(&one, &[], &unchecked).unwrap().containment_proven);
    assert!(
        !combine(&one, &[], &CombineOptions::for_parts(1))
            .unwrap()
            .containment_proven,
        "there are no groups"
    );
}

fn types(columns: Vec<(&str, arrow_array::ArrayRef)>) -> RecordBatch {
    batch(columns)
}

#[tokio::test]
async fn differing_columns_are_named_precisely() {
    let i32s = || array(Int32Array::from(vec![1]));
    let i64s = || array(Int64Array::from(vec![1]));
    let first = types(vec![
        ("a", i32s()),
        ("b", i64s()),
        ("t", array(TimestampMicrosecondArray::from(vec![1]))),
    ]);
    let second = types(vec![
        ("t", array(TimestampNanosecondArray::from(vec![1]))),
        ("a", array(Float64Array::from(vec![1.0]))),
        ("c", i64s()),
    ]);
    let third = types(vec![
        ("b", i64s()),
        ("a", i32s()),
        ("t", array(TimestampMicrosecondArray::from(vec![1]))),
    ]);
    let mut parts = Vec::new();
    for (name, rows) in [("1", first), ("2", second), ("3", third)] {
        let options = InspectOptions::default();
        parts.push(
            try_inspect(name, &[rows], WriterProperties::default(), &options)
                .await
                .unwrap(),
        );
    }
    check_faults(
        plain(&parts),
        expect![[r#"
        HW-T037 - parts `1` and `2` have different columns: `a` is Int32 in the first and Float64 in the second; `b` is missing in the second; `t` is Timestamp(µs) in the first and Timestamp(ns) in the second; `c` is missing in the first
            write all parts with the same columns and types. `1` has `a` Int32, `b` Int64, `t` Timestamp(µs). `2` has `t` Timestamp(ns), `a` Float64, `c` Int64
    "#]],
    );
    parts.remove(1);
    let same = plain(&parts).unwrap();
    assert_eq!(same.schema.field(0).name(), "a", "the order of columns may differ");
}

#[tokio::test]
async fn outlines_are_compared_too_and_many_differences_are_cut_short() {
    let mut all = single_columns(vec![array(Int64Array::from(vec![1]))]).await;
    all.extend(single_columns((0..9).map(|_| array(Float64Array::from(vec![1.0]))).collect()).await);
    let others: Vec<PartOutline> = all[1..].iter().map(|part| part.inspection.outline.clone()).collect();
    let findings = combine(&all[..1], &others, &CombineOptions::for_parts(10)).unwrap_err();
    assert_eq!(findings.len(), 2, "of parts with one schema the first is told");
    assert_eq!(findings[1].message, "8 more parts have other columns than `0.parquet`");
}

#[tokio::test]
async fn the_width_of_numbers_is_no_difference() {
    let common = async |columns: Vec<arrow_array::ArrayRef>| {
        let parts = single_columns(columns).await;
        plain(&parts).map(|combined| combined.schema.field(0).data_type().to_string())
    };
    let i8s = || array(Int8Array::from(vec![-1]));
    let i32s = || array(Int32Array::from(vec![1]));
    let i64s = || array(Int64Array::from(vec![1]));
    let u32s = || array(UInt32Array::from(vec![1]));
    let u64s = || array(UInt64Array::from(vec![1]));
    assert_eq!(common(vec![i32s(), i64s(), i8s()]).await.unwrap(), "Int64");
    assert_eq!(common(vec![i8s(), i8s()]).await.unwrap(), "Int8");
    assert_eq!(common(vec![u32s(), u64s()]).await.unwrap(), "UInt64");
    assert_eq!(common(vec![i8s(), u32s()]).await.unwrap(), "Int64");
    let floats = vec![
        array(Float32Array::from(vec![0.5])),
        array(Float64Array::from(vec![0.25])),
    ];
    assert_eq!(common(floats).await.unwrap(), "Float64");
    let (pair, triple) = (
        common(vec![i64s(), u64s()]).await,
        common(vec![u32s(), u64s(), i8s()]).await,
    );
    let told = |result: Result<String, Vec<Finding>>| lines(&result.unwrap_err());
    expect![[r#"
        HW-T037 - parts `0.parquet` and `1.parquet` have different columns: `x` is Int64 in the first and UInt64 in the second (no integer type holds the values of both)
            write all parts with the same columns and types. `0.parquet` has `x` Int64. `1.parquet` has `x` UInt64
        HW-T037 - parts `0.parquet` and `2.parquet` have different columns: `x` is Int8 in the second, and no type holds that together with the UInt64 of the parts before it
            write all parts with the same columns and types. `0.parquet` has `x` UInt32. `2.parquet` has `x` Int8
    "#]]
    .assert_eq(&(told(pair) + &told(triple)));
}

#[tokio::test]
async fn equal_groups_of_different_widths_are_one_group() {
    let ids = |column: arrow_array::ArrayRef| batch(vec![("user", column), ("at", array(Int64Array::from(vec![1])))]);
    let parts = [
        inspected("0", &[ids(array(Int32Array::from(vec![7])))]).await,
        inspected("1", &[ids(array(UInt32Array::from(vec![7])))]).await,
        inspected("2", &[ids(array(Int64Array::from(vec![8])))]).await,
    ];
    let findings = combine(&parts, &[], &over(3)).unwrap_err();
    assert_eq!(findings[0].code, "HW-T038");
    assert!(
        findings[0].message.ends_with("for instance `7` in `0` and `1`"),
        "{}",
        findings[0].message
    );
}

#[tokio::test]
async fn how_text_is_kept_is_no_difference() {
    let dictionary = || array(["a"].into_iter().map(Some).collect::<DictionaryArray<Int32Type>>());
    let mixed = single_columns(vec![
        dictionary(),
        array(StringArray::from(vec!["a"])),
        array(LargeStringArray::from(vec!["b"])),
    ])
    .await;
    let combined = plain(&mixed).unwrap();
    assert_eq!(combined.schema.field(0).data_type().to_string(), "Utf8");
    assert!(!combined.columns[0].dictionary);
    assert!(!combined.columns[0].categorical, "only if so in all parts");
    let both = plain(&single_columns(vec![dictionary(), dictionary()]).await).unwrap();
    assert_eq!(both.schema.field(0).data_type().to_string(), "Dictionary(Int32, Utf8)");
    assert!(both.columns[0].dictionary && both.columns[0].categorical);
}

#[tokio::test]
async fn ranges_are_exact_and_unknown_where_one_part_does_not_tell() {
    let bound = |value| Some(Bound { value, exact: true });
    let wide = plain(
        &single_columns(vec![
            array(UInt64Array::from(vec![u64::MAX])),
            array(UInt64Array::from(vec![Some(3), None])),
        ])
        .await,
    )
    .unwrap();
    let x = &wide.columns[0];
    assert_eq!(
        (&x.min, &x.max, x.null_count),
        (&bound(Scalar::Int(3)), &bound(Scalar::UInt(u64::MAX)), Some(1))
    );
    let large = i64::from(i32::MAX) * 4_000_000_001;
    let exact = plain(
        &single_columns(vec![
            array(Int64Array::from(vec![large])),
            array(Int64Array::from(vec![large + 1])),
        ])
        .await,
    )
    .unwrap();
    assert_eq!(
        exact.columns[0].max,
        bound(Scalar::Int(large + 1)),
        "beyond what a float can hold"
    );
    let floats = |values: Vec<f64>| array(Float64Array::from(values));
    let infinite = plain(&single_columns(vec![floats(vec![1.0]), floats(vec![f64::INFINITY])]).await).unwrap();
    assert_eq!((&infinite.columns[0].min, &infinite.columns[0].max), (&None, &None));
    let nothing = plain(&single_columns(vec![floats(vec![f64::NAN]), floats(vec![-2.0])]).await).unwrap();
    assert_eq!(
        nothing.columns[0].min,
        bound(Scalar::Float(-2.0)),
        "a part of NaN has no value"
    );
}

#[tokio::test]
async fn frequent_values_are_averaged_and_cut() {
    let text = |values: &[(&str, usize)]| {
        let values = values
            .iter()
            .flat_map(|(value, count)| std::iter::repeat_n(*value, *count));
        array(StringArray::from_iter_values(values.collect::<Vec<_>>()))
    };
    let parts = single_columns(vec![
        text(&[("a", 90), ("b", 9), ("c", 1)]),
        text(&[("b", 97), ("d", 3)]),
    ])
    .await;
    let combined = plain(&parts).unwrap();
    let shown: Vec<String> = combined.columns[0]
        .top_values
        .iter()
        .map(|(value, share)| format!("{value} {share:.3}"))
        .collect();
    assert_eq!(
        shown,
        ["b 0.530", "a 0.450", "d 0.015"],
        "a share below 0.01 is dropped"
    );
    let two = combine(
        &parts,
        &[],
        &CombineOptions {
            top_count: 1,
            top_share_min: 0.0,
            ..CombineOptions::for_parts(2)
        },
    );
    assert_eq!(two.unwrap().columns[0].top_values.len(), 1);
    assert!(combined.columns[0].categorical);
}

#[tokio::test]
async fn sorting_is_what_all_parts_share() {
    let by_both: &[(i64, i64, &str)] = &[(1, 1, "x"), (2, 2, "x")];
    let by_group: &[(i64, i64, &str)] = &[(3, 2, "x"), (3, 1, "x")];
    let by_time: &[(i64, i64, &str)] = &[(6, 1, "x"), (5, 2, "x")];
    let sorted =
        async |rows: &[&[(i64, i64, &str)]]| combine(&parts(rows).await, &[], &over(rows.len())).unwrap().sorted_by;
    assert_eq!(sorted(&[by_both]).await, ["user", "at"]);
    assert_eq!(sorted(&[by_both, by_group]).await, ["user"]);
    assert_eq!(sorted(&[by_both, by_time]).await, ["at"]);
    assert_eq!(sorted(&[by_group, by_time]).await, Vec::<String>::new());
}

#[tokio::test]
async fn unsupported_columns_are_merged_with_their_warnings() {
    let odd = || {
        types(vec![
            ("__cond_x", array(Int64Array::from(vec![1]))),
            ("n", array(arrow_array::NullArray::new(1))),
        ])
    };
    let options = InspectOptions::default();
    let one = try_inspect("1", &[odd()], WriterProperties::default(), &options)
        .await
        .unwrap();
    let two = try_inspect("2", &[odd()], WriterProperties::default(), &options)
        .await
        .unwrap();
    let combined = plain(&[one, two]).unwrap();
    let names: Vec<_> = combined.unsupported.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(
        (names, combined.warnings.len(), combined.columns.len()),
        (vec!["__cond_x", "n"], 2, 0)
    );
}

#[tokio::test]
async fn all_faults_come_together() {
    let mut faulty = parts(&[&[(1, 1, "x")], &[(1, 2, "x")]]).await;
    let rows = batch(vec![
        ("user", array(Int32Array::from(vec![1]))),
        ("at", array(Int64Array::from(vec![3]))),
    ]);
    faulty.push(inspected("2.parquet", &[rows]).await);
    let codes: Vec<_> = combine(&faulty, &[], &over(3))
        .unwrap_err()
        .into_iter()
        .map(|finding| finding.code)
        .collect();
    assert_eq!(codes, ["HW-T037", "HW-T038"]);
}

#[tokio::test]
async fn thousands_of_outlines_fold_into_little() {
    let first = parts(&[&[(1, 1, "x")], &[(2, 500, "x")]]).await;
    let outline = |number: i64| {
        let mut outline = first[1].inspection.outline.clone();
        outline.path = format!("{number:05}.parquet");
        outline.columns[1].max = Some(Bound {
            value: Scalar::Int(number),
            exact: true,
        });
        outline
    };
    let others: Vec<PartOutline> = (0..9_999).map(outline).collect();
    let folded = Outlines::fold(others.clone());
    assert_eq!((folded.len(), folded[0].parts.len()), (1, 9_999));
    assert!(serde_json::to_string(&folded).unwrap().len() < 500_000);
    let text = serde_json::to_string(&folded).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Outlines>>(&text).unwrap(), folded);
    let combined = combine_folded(&first[..1], &folded, &over(10_000)).unwrap();
    assert_eq!((combined.rows, combined.columns[1].null_count), (Some(10_000), Some(0)));
    assert_eq!(combined.columns[1].max.as_ref().unwrap().value, Scalar::Int(9_998));
    assert_eq!(combined, combine(&first[..1], &others, &over(10_000)).unwrap());

    let mut silent = others;
    silent[7].columns[1].bounded = false;
    silent[8].columns[0].null_count = None;
    let combined = combine(&first[..1], &silent, &over(10_000)).unwrap();
    assert_eq!(
        (&combined.columns[1].min, combined.columns[0].null_count),
        (&None, None),
        "one does not tell"
    );
}

#[tokio::test]
async fn ids_are_compared_apart_from_the_rest() {
    let all = parts(&[&[(1, 1, "x")], &[(2, 2, "x"), (1, 3, "x")]]).await;
    let lists: Vec<_> = ["a", "b"]
        .into_iter()
        .zip(all.iter().map(|part| part.ids.as_ref().unwrap()))
        .collect();
    let fault = compare_ids(&lists, "user").unwrap();
    assert!(
        fault.message.ends_with("for instance `1` in `a` and `b`"),
        "{}",
        fault.message
    );
    assert_eq!(compare_ids(&lists[..1], "user"), None);
    assert_eq!(compare_ids(&[], "user"), None);
}
