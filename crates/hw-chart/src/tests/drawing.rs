//! What is drawn of what.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::reading::read;
use crate::figures::short;
use crate::{FunnelResult, Picture, figure_text, number, percent};

fn step(groups: u64, rows: u64) -> Value {
    json!({"matchingGroups": groups, "matchingGroupRows": rows})
}

fn filters(names: &[&str]) -> Value {
    let steps: Value = names
        .iter()
        .map(|name| json!({"filter": ["event", "==", name]}))
        .collect();
    json!({"funnel": {"sequence": steps, "breakdown": {"column": "device"}}})
}

fn texts(title: &str, query: &Value, result: Value, draw: fn(&Picture<'_>) -> String) -> String {
    let result: FunnelResult = serde_json::from_value(result).unwrap();
    let picture = Picture {
        title,
        query,
        result: &result,
    };
    let lines = read(&draw(&picture));
    let lines: Vec<String> = lines.into_iter().map(|(tag, text)| format!("{tag}: {text}")).collect();
    lines.join("\n") + "\n"
}

#[track_caller]
fn check(query: &Value, result: Value, expect: Expect) {
    expect.assert_eq(&texts("events", query, result, |picture| picture.svg()));
}

/// The worked example with everything that may be asked for.
fn example() -> (Value, Value) {
    let times = json!({"count": 2, "mean": 12.5, "p50": 12.5, "p90": 19, "p99": 19.9, "min": 5, "max": 20, "histogram": [
        {"from": 5, "to": 10, "count": 1}, {"from": 10, "to": 20, "count": 0}, {"from": 20, "to": 50, "count": 1},
    ]});
    let mut second = step(2, 7);
    second["sincePrevious"] = times;
    second["aggregations"] = json!([{"column": "price", "type": "count", "name": "priced", "value": 4}]);
    let side = |groups, rows, value: Value| {
        json!({"matchingGroups": groups, "matchingGroupRows": rows, "aggregations": [
            {"column": "price", "type": "mean", "value": value},
            {"column": "device", "type": "groupsPerValue", "value": {"mobile": groups, "desktop": 1}},
        ]})
    };
    let result = json!({
        "query": step(5, 12),
        "funnel": {
            "sequence": [step(5, 12), second, step(1, 4)],
            "endAggregations": [{"column": "event", "type": "groupsPerValue", "value": {"buy": 1, "cart": 1}}],
            "breakdown": [
                {"value": "mobile", "sequence": [step(3, 9), step(2, 7), step(1, 4)]},
                {"value": null, "sequence": [step(1, 2), step(0, 0), step(0, 0)]},
                {"other": true, "values": 2, "sequence": [step(2, 3), step(0, 0), step(0, 0)]},
            ],
        },
        "compare": {"matched": side(1, 4, json!(1.5)), "rest": side(4, 8, Value::Null)},
    });
    (filters(&["view", "buy", "cart"]), result)
}

#[test]
fn a_drawing_says_in_texts_what_its_bars_show() {
    let (query, result) = example();
    check(
        &query,
        result,
        expect![[r#"
        title: Funnel over events
        desc: 5 groups, with 12 rows. Step 1 event == view: 5 groups, 100.0% of the step before, 100.0% of the first. Step 2 event == buy: 2 groups, 40.0% of the step before, 40.0% of the first. Step 3 event == cart: 1 group, 50.0% of the step before, 20.0% of the first.
        text: Funnel over events
        text: 5 groups, with 12 rows
        text: 20.0% of the groups of the first step reach the last: 1 of 5
        text: Steps
        text: groups
        text: of previous
        text: of first
        text: rows
        text: lighter: reached the step before, but not this one
        text: 1 event == view
        title: 5 groups at step 1 event == view
        text: 5
        text: 100.0%
        text: 100.0%
        text: 12
        text: 2 event == buy
        title: 3 groups lost at step 2 event == buy
        title: 2 groups at step 2 event == buy
        text: 2
        text: 40.0%
        text: 40.0%
        text: 7
        text: 3 event == cart
        title: 1 group lost at step 3 event == cart
        title: 1 group at step 3 event == cart
        text: 1
        text: 50.0%
        text: 20.0%
        text: 4
        text: Time since the step before
        text: groups by time, in the unit of the time column
        text: 2 event == buy
        text: 2 groups · median 12.5 · p90 19 · mean 12.5
        title: 5 to 10: 1 group
        text: 1
        title: 20 to 50: 1 group
        text: 1
        text: 5
        text: 10
        text: 20
        text: 50
        text: by device
        text: a column for each step: its groups as a share of the value's first step
        text: mobile
        text: 1 of 3 groups: 33.3%
        title: mobile, step 1 event == view: 3 groups (100.0%)
        text: 100.0%
        title: mobile, step 2 event == buy: 2 groups (66.7%)
        text: 66.7%
        title: mobile, step 3 event == cart: 1 group (33.3%)
        text: 33.3%
        text: (null)
        text: 0 of 1 group: 0.0%
        title: (null), step 1 event == view: 1 group (100.0%)
        text: 100.0%
        text: 0.0%
        text: 0.0%
        text: (2 others)
        text: 0 of 2 groups: 0.0%
        title: (2 others), step 1 event == view: 2 groups (100.0%)
        text: 100.0%
        text: 0.0%
        text: 0.0%
        text: Compared with the rest
        title: rest: 4 groups (80.0%), 8 rows
        title: matched: 1 group (20.0%), 4 rows
        text: matched: 1 group (20.0%), 4 rows
        text: rest: 4 groups (80.0%), 8 rows
        text: mean of price
        text: 1.5
        text: -
        text: groupsPerValue of device
        text: desktop
        text: 1
        text: 1
        text: mobile
        text: 1
        text: 4
    "#]],
    );
}

#[test]
fn a_page_holds_every_figure() {
    let (query, result) = example();
    let page = texts("events", &query, result, |picture| picture.html());
    let (_, tables) = page.split_once("h1: ").unwrap();
    expect![[r#"
        The figures
        p: 5 groups, with 12 rows
        p: 20.0% of the groups of the first step reach the last: 1 of 5
        caption: Steps
        th: step
        th: groups
        th: of previous
        th: of first
        th: rows
        th: 1 event == view
        td: 5
        td: 100.0%
        td: 100.0%
        td: 12
        th: 2 event == buy
        td: 2
        td: 40.0%
        td: 40.0%
        td: 7
        th: 3 event == cart
        td: 1
        td: 50.0%
        td: 20.0%
        td: 4
        caption: Time since the step before, in the unit of the time column
        th: step
        th: groups
        th: median
        th: p90
        th: p99
        th: mean
        th: min
        th: max
        th: 2 event == buy
        td: 2
        td: 12.5
        td: 19
        td: 19.9
        td: 12.5
        td: 5
        td: 20
        caption: Groups by time since the step before
        th: step
        th: from
        th: to, not included
        th: groups
        th: 2 event == buy
        td: 5
        td: 10
        td: 1
        th: 2 event == buy
        td: 10
        td: 20
        td: 0
        th: 2 event == buy
        td: 20
        td: 50
        td: 1
        caption: Groups by device, and their share of the first step
        th: value
        th: step 1
        th: step 2
        th: step 3
        th: mobile
        td: 3 (100.0%)
        td: 2 (66.7%)
        td: 1 (33.3%)
        th: (null)
        td: 1 (100.0%)
        td: 0 (0.0%)
        td: 0 (0.0%)
        th: (2 others)
        td: 2 (100.0%)
        td: 0 (0.0%)
        td: 0 (0.0%)
        caption: At step 2 event == buy
        th: aggregation
        th: of
        th: value
        th: priced (count of price)
        td: 4
        caption: After the last step
        th: aggregation
        th: of
        th: value
        th: groupsPerValue of event
        td: buy
        td: 1
        th: groupsPerValue of event
        td: cart
        td: 1
        caption: Compared with the rest
        th: groups
        th: of all
        th: rows
        th: matched
        td: 1
        td: 20.0%
        td: 4
        th: rest
        td: 4
        td: 80.0%
        td: 8
        caption: Matched
        th: aggregation
        th: of
        th: value
        th: mean of price
        td: 1.5
        th: groupsPerValue of device
        td: desktop
        td: 1
        th: groupsPerValue of device
        td: mobile
        td: 1
        caption: Rest
        th: aggregation
        th: of
        th: value
        th: mean of price
        td: -
        th: groupsPerValue of device
        td: mobile
        td: 4
        th: groupsPerValue of device
        td: desktop
        td: 1
    "#]]
    .assert_eq(tables);
}

#[test]
fn a_single_step_and_no_groups() {
    check(
        &filters(&["view"]),
        json!({"query": step(0, 0), "funnel": {"sequence": [step(0, 0)]}}),
        expect![[r#"
            title: Funnel over events
            desc: 0 groups, with 0 rows. Step 1 event == view: 0 groups, - of the step before, - of the first.
            text: Funnel over events
            text: 0 groups, with 0 rows
            text: Steps
            text: groups
            text: of previous
            text: of first
            text: rows
            text: 1 event == view
            text: 0
            text: -
            text: -
            text: 0
        "#]],
    );
}

#[test]
fn no_funnel_is_a_line_of_text() {
    let query = json!({"query": {"conditions": [{}]}});
    check(
        &query,
        json!({"query": step(5, 12)}),
        expect![[r#"
        title: Groups of events
        desc: 5 groups match the conditions, with 12 rows.
        text: Groups of events
        text: 5 groups match the conditions, with 12 rows
    "#]],
    );
}

#[test]
fn a_drawing_says_what_it_is() {
    let (query, result) = example();
    let result: FunnelResult = serde_json::from_value(result).unwrap();
    let picture = Picture {
        title: "",
        query: &query,
        result: &result,
    };
    let svg = picture.svg();
    assert!(
        svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 960 "),
        "{svg}"
    );
    assert!(svg.contains("role=\"img\" aria-labelledby=\"hw-picture-title hw-picture-text\""));
    assert!(svg.contains("<title id=\"hw-picture-title\">Funnel</title>"));
    assert!(svg.contains("@media (prefers-color-scheme: dark)"));
    assert!(picture.html().contains("default-src &#39;none&#39;"));
}

/// Numbers of an attribute, over all elements that have it.
fn numbers<'a>(svg: &'a str, attribute: &str) -> impl Iterator<Item = f64> + 'a {
    let mark = format!(" {attribute}=\"");
    svg.split(&mark.clone())
        .skip(1)
        .map(|text| text.split('"').next().unwrap().parse().unwrap())
        .collect::<Vec<f64>>()
        .into_iter()
}

#[test]
fn many_steps_with_long_names_stay_on_the_paper() {
    let long = "a name that is much longer than any drawing is wide ".repeat(20);
    let names: Vec<&str> = (0..32).map(|_| long.as_str()).collect();
    let times = |at: u64| {
        let bars: Value = (0..60)
            .map(|bar| json!({"from": bar, "to": bar + 1, "count": u64::MAX / 80 * at % 7}))
            .collect();
        json!({"count": at, "p50": 1e300, "mean": 1e-9, "histogram": bars})
    };
    let sequence: Value = (0..32)
        .map(|at| {
            let mut step = step(u64::MAX / (at + 1), u64::MAX);
            step["sincePrevious"] = times(at);
            step
        })
        .collect();
    let branches: Value = (0..1001)
        .map(|at| json!({"value": format!("{at} {long}"), "sequence": sequence}))
        .collect();
    let result = json!({"query": step(1, 1), "funnel": {"sequence": sequence, "breakdown": branches}});
    let result: FunnelResult = serde_json::from_value(result).unwrap();
    let picture = Picture {
        title: &long,
        query: &filters(&names),
        result: &result,
    };
    let svg = picture.svg();
    let height = numbers(&svg, "height").next().unwrap();
    assert!(numbers(&svg, "x").all(|x| (0.0..=960.0).contains(&x)));
    assert!(numbers(&svg, "width").all(|width| (0.0..=960.0).contains(&width)));
    assert!(numbers(&svg, "y").all(|y| (0.0..=height).contains(&y)));
    let texts = read(&svg);
    assert!(
        texts
            .iter()
            .filter(|(tag, _)| tag == "text")
            .all(|(_, text)| text.chars().count() < 160)
    );
    assert!(texts.contains(&("text".to_owned(), "and 977 more rows not drawn".to_owned())));
    // The table has them all.
    let rows = read(&picture.html());
    assert!(
        rows.iter()
            .any(|(tag, text)| tag == "th" && text.starts_with("1000 a name"))
    );
}

#[test]
fn figures_are_short_and_exact_enough() {
    let cases = [
        (0.0, "0"),
        (5.0, "5"),
        (0.25, "0.25"),
        (0.0012, "0.0012"),
        (1e-5, "1e-5"),
        (1500.0, "1.5k"),
        (2e6, "2M"),
        (3.6e12, "3.6T"),
        (1e15, "1e15"),
        (999.0, "999"),
        (f64::INFINITY, "∞"),
        (-2500.0, "-2.5k"),
    ];
    for (value, text) in cases {
        assert_eq!(short(value), text);
    }
    assert_eq!((number(2.50001).as_str(), number(3.0).as_str()), ("2.5", "3"));
    assert_eq!((percent(1, 3).as_str(), percent(1, 0).as_str()), ("33.3%", "-"));
    let texts = [json!(1204), json!(-1.5), Value::Null, json!("Infinity")].map(|value| figure_text(&value));
    assert_eq!(texts, ["1,204", "-1.5", "-", "Infinity"]);
}
