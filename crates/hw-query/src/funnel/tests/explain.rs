//! What is told of how a funnel is carried out: exact numbers where they do not depend on the machine.

use expect_test::{Expect, expect};
use hw_catalog::Groups;
use serde_json::{Value, json};

use super::{World, example, large, register, relation, table_scan, two_steps, world};

/// Takes out what differs from run to run; times are looked at in the passing.
fn steady(mut document: Value) -> Value {
    document.as_object_mut().unwrap().remove("plan");
    document["memory"].as_object_mut().unwrap().remove("limit");
    if let Some(analysis) = document.get_mut("analysis").and_then(Value::as_object_mut) {
        // What groups take in memory is no promise.
        let stages = analysis["stages"].as_array_mut().unwrap();
        for stage in stages.iter_mut().filter(|stage| stage["stage"] == "timeframe") {
            let held = stage.as_object_mut().unwrap().remove("bytes");
            assert!(held.is_none_or(|held| held.as_u64() > Some(0)));
        }
        let elapsed = analysis.remove("elapsed_ms").unwrap().as_f64().unwrap();
        assert!(elapsed > 0.0);
        let times = analysis.remove("times").unwrap();
        let times = times.as_array().unwrap();
        let spent = |activity: &str| {
            let time = times.iter().find(|time| time["activity"] == activity);
            time.unwrap()["ms"].as_f64().unwrap()
        };
        if document["way"] == "pages" {
            for activity in ["open", "decode", "masks", "groups", "matching", "verdict", "merge"] {
                assert!(spent(activity) > 0.0, "{activity}");
            }
        }
    }
    document
}

/// One line for each fact.
fn lines(document: &Value) -> String {
    let mut told = String::new();
    for (name, value) in document.as_object().unwrap() {
        match (value, name.as_str()) {
            (Value::Array(items), _) => items.iter().for_each(|item| told += &format!("{name} {item}\n")),
            (Value::Object(_), "analysis") => told += &lines(value),
            _ => told += &format!("{name} {value}\n"),
        }
    }
    told
}

async fn check(groups: Groups, query: Value, analyze: bool, expected: Expect) {
    let world = world(groups).await;
    let (scan, _) = table_scan(&world, &query);
    let explained = world.session().explain_funnel(scan, analyze).await.unwrap();
    expected.assert_eq(&lines(&steady(explained)));
    assert_eq!(world.engine.memory().reserved, 0);
}

#[tokio::test]
async fn a_plain_funnel_before_it_runs() {
    check(Groups::Contained, example(), false, expect![[r#"
        way "pages"
        reason "registered parts, each matched by itself"
        strategy {"name":"streaming","reason":"all steps are positive: a few words of state per group suffice while rows come in order of time; a part where they do not is read again and gathered"}
        groups "contained"
        columns {"name":"user","type":"Int64","uses":["group"],"stored":{"row_groups":6,"dictionary_row_groups":6,"bytes":264,"unfolded_bytes":264}}
        columns {"name":"ts","type":"Int64","uses":["time"],"stored":{"row_groups":6,"dictionary_row_groups":6,"bytes":336,"unfolded_bytes":336}}
        columns {"name":"event","type":"Utf8","uses":["filter","aggregation"],"stored":{"row_groups":6,"dictionary_row_groups":6,"bytes":331,"unfolded_bytes":331}}
        columns {"name":"price","type":"Float64","uses":["aggregation"],"stored":{"row_groups":6,"dictionary_row_groups":6,"bytes":282,"unfolded_bytes":282}}
        predicates {"column":"event","op":"==","value":"view","places":["/funnel/sequence/0/filter"],"per":"dictionary"}
        predicates {"column":"event","op":"==","value":"buy","places":["/funnel/sequence/1/filter","/funnel/sequence/3/filter"],"per":"dictionary"}
        predicates {"column":"event","op":"==","value":"cart","places":["/funnel/sequence/2/filter"],"per":"dictionary"}
        parts {"total":2,"pruned":0}
        row_groups {"total":6,"pruned":0}
        memory {"decoding":416}
    "#]]).await;
}

#[tokio::test]
async fn a_funnel_and_what_it_cost() {
    check(Groups::Contained, example(), true, expect![[r#"
        way "pages"
        reason "registered parts, each matched by itself"
        strategy {"name":"streaming","reason":"all steps are positive: a few words of state per group suffice while rows come in order of time; a part where they do not is read again and gathered"}
        groups "contained"
        columns {"name":"user","type":"Int64","uses":["group"],"stored":{"row_groups":6,"dictionary_row_groups":6,"bytes":264,"unfolded_bytes":264},"read":{"row_groups":6,"dictionary_row_groups":6,"entries":8,"flat_rows":0,"bytes":264,"unfolded_bytes":264}}
        columns {"name":"ts","type":"Int64","uses":["time"],"stored":{"row_groups":6,"dictionary_row_groups":6,"bytes":336,"unfolded_bytes":336},"read":{"row_groups":6,"dictionary_row_groups":6,"entries":12,"flat_rows":0,"bytes":336,"unfolded_bytes":336}}
        columns {"name":"event","type":"Utf8","uses":["filter","aggregation"],"stored":{"row_groups":6,"dictionary_row_groups":6,"bytes":331,"unfolded_bytes":331},"read":{"row_groups":6,"dictionary_row_groups":6,"entries":12,"flat_rows":0,"bytes":331,"unfolded_bytes":331}}
        columns {"name":"price","type":"Float64","uses":["aggregation"],"stored":{"row_groups":6,"dictionary_row_groups":6,"bytes":282,"unfolded_bytes":282},"read":{"row_groups":6,"dictionary_row_groups":6,"entries":6,"flat_rows":0,"bytes":282,"unfolded_bytes":282}}
        predicates {"column":"event","op":"==","value":"view","places":["/funnel/sequence/0/filter"],"per":"dictionary"}
        predicates {"column":"event","op":"==","value":"buy","places":["/funnel/sequence/1/filter","/funnel/sequence/3/filter"],"per":"dictionary"}
        predicates {"column":"event","op":"==","value":"cart","places":["/funnel/sequence/2/filter"],"per":"dictionary"}
        parts {"total":2,"pruned":0}
        row_groups {"total":6,"pruned":0}
        memory {"decoding":416}
        stages {"stage":"stored","rows":12,"bytes":1213}
        stages {"stage":"read","rows":12,"bytes":6929}
        stages {"stage":"decoded","rows":12,"bytes":1213}
        stages {"stage":"timeframe","rows":12,"groups":5}
        stages {"stage":"selected","rows":12}
        stages {"stage":"matched","rows":12,"groups":5}
        stages {"stage":"passed","rows":4,"groups":1}
        matchers 2
        restarted 0
        rejoined 0
        second_passes 2
        row_groups_without_match 0
    "#]]).await;
}

#[tokio::test]
async fn straddling_groups_and_a_timeframe() {
    let mut query = two_steps();
    query["timeframe"] = json!({"from": 25});
    query["query"] = json!({"conditions": [
        {"filter": ["event", "==", "view"], "target": ["sum", "price", ">=", 1]},
        {"filters": [{"column": "device", "op": "is not null"}, {"column": "event", "op": "==", "value": "view"}]},
    ], "relation": "$0 or $1"});
    check(Groups::Split, query, true, expect![[r#"
        way "pages"
        reason "registered parts, matched together since groups may straddle them"
        strategy {"name":"streaming","reason":"all steps are positive: a few words of state per group suffice while rows come in order of time; a part where they do not is read again and gathered"}
        groups "split"
        columns {"name":"user","type":"Int64","uses":["group"],"stored":{"row_groups":2,"dictionary_row_groups":2,"bytes":82,"unfolded_bytes":82},"read":{"row_groups":2,"dictionary_row_groups":2,"entries":2,"flat_rows":0,"bytes":82,"unfolded_bytes":82}}
        columns {"name":"ts","type":"Int64","uses":["time"],"stored":{"row_groups":2,"dictionary_row_groups":2,"bytes":112,"unfolded_bytes":112},"read":{"row_groups":2,"dictionary_row_groups":2,"entries":4,"flat_rows":0,"bytes":112,"unfolded_bytes":112}}
        columns {"name":"event","type":"Utf8","uses":["filter"],"stored":{"row_groups":2,"dictionary_row_groups":2,"bytes":101,"unfolded_bytes":101},"read":{"row_groups":2,"dictionary_row_groups":2,"entries":3,"flat_rows":0,"bytes":101,"unfolded_bytes":101}}
        columns {"name":"price","type":"Float64","uses":["target"],"stored":{"row_groups":2,"dictionary_row_groups":2,"bytes":103,"unfolded_bytes":103},"read":{"row_groups":2,"dictionary_row_groups":2,"entries":3,"flat_rows":0,"bytes":103,"unfolded_bytes":103}}
        columns {"name":"device","type":"Utf8","uses":["filter"],"stored":{"row_groups":2,"dictionary_row_groups":2,"bytes":98,"unfolded_bytes":98},"read":{"row_groups":1,"dictionary_row_groups":1,"entries":1,"flat_rows":0,"bytes":49,"unfolded_bytes":49}}
        predicates {"column":"event","op":"==","value":"view","places":["/query/conditions/0/filter","/query/conditions/1/filters/1","/funnel/sequence/0/filter"],"per":"dictionary"}
        predicates {"column":"device","op":"is not null","places":["/query/conditions/1/filters/0"],"per":"dictionary"}
        predicates {"column":"event","op":"==","value":"buy","places":["/funnel/sequence/1/filter"],"per":"dictionary"}
        parts {"total":2,"pruned":1}
        row_groups {"total":6,"pruned":4}
        memory {"decoding":556}
        stages {"stage":"stored","rows":12,"bytes":1524}
        stages {"stage":"read","rows":4,"bytes":6051}
        stages {"stage":"decoded","rows":4,"bytes":447}
        stages {"stage":"timeframe","rows":2,"groups":2}
        stages {"stage":"selected","rows":2}
        stages {"stage":"matched","rows":0,"groups":0}
        stages {"stage":"passed","rows":0,"groups":0}
        matchers 1
        restarted 0
        rejoined 0
        second_passes 0
        row_groups_without_match 0
    "#]]).await;
}

#[tokio::test]
async fn row_groups_without_a_match_are_told() {
    let query = json!({"query": {"conditions": [{"filter": ["event", "==", "cart"]}], "aggregations": [{"column": "price", "type": "sum"}]}});
    check(Groups::Contained, query, true, expect![[r#"
        way "pages"
        reason "registered parts, each matched by itself"
        strategy {"name":"streaming","reason":"all steps are positive: a few words of state per group suffice while rows come in order of time; a part where they do not is read again and gathered"}
        groups "contained"
        columns {"name":"user","type":"Int64","uses":["group"],"stored":{"row_groups":6,"dictionary_row_groups":6,"bytes":264,"unfolded_bytes":264},"read":{"row_groups":6,"dictionary_row_groups":6,"entries":8,"flat_rows":0,"bytes":264,"unfolded_bytes":264}}
        columns {"name":"ts","type":"Int64","uses":["time"],"stored":{"row_groups":6,"dictionary_row_groups":6,"bytes":336,"unfolded_bytes":336},"read":{"row_groups":0,"dictionary_row_groups":0,"entries":0,"flat_rows":0,"bytes":0,"unfolded_bytes":0}}
        columns {"name":"event","type":"Utf8","uses":["filter"],"stored":{"row_groups":6,"dictionary_row_groups":6,"bytes":331,"unfolded_bytes":331},"read":{"row_groups":6,"dictionary_row_groups":6,"entries":12,"flat_rows":0,"bytes":331,"unfolded_bytes":331}}
        columns {"name":"price","type":"Float64","uses":["aggregation"],"stored":{"row_groups":6,"dictionary_row_groups":6,"bytes":282,"unfolded_bytes":282},"read":{"row_groups":4,"dictionary_row_groups":4,"entries":4,"flat_rows":0,"bytes":188,"unfolded_bytes":188}}
        predicates {"column":"event","op":"==","value":"cart","places":["/query/conditions/0/filter"],"per":"dictionary"}
        parts {"total":2,"pruned":0}
        row_groups {"total":6,"pruned":0}
        memory {"decoding":416}
        stages {"stage":"stored","rows":12,"bytes":1213}
        stages {"stage":"read","rows":12,"bytes":6499}
        stages {"stage":"decoded","rows":12,"bytes":783}
        stages {"stage":"timeframe","rows":12,"groups":5}
        stages {"stage":"selected","rows":2}
        stages {"stage":"matched","rows":7,"groups":2}
        matchers 2
        restarted 0
        rejoined 0
        second_passes 2
        row_groups_without_match 4
    "#]]).await;
}

#[tokio::test]
async fn the_empty_query_reads_groups_alone() {
    check(Groups::Contained, json!({}), true, expect![[r#"
        way "pages"
        reason "registered parts, each matched by itself"
        strategy {"name":"streaming","reason":"all steps are positive: a few words of state per group suffice while rows come in order of time; a part where they do not is read again and gathered"}
        groups "contained"
        columns {"name":"user","type":"Int64","uses":["group"],"stored":{"row_groups":6,"dictionary_row_groups":6,"bytes":264,"unfolded_bytes":264},"read":{"row_groups":6,"dictionary_row_groups":6,"entries":8,"flat_rows":0,"bytes":264,"unfolded_bytes":264}}
        columns {"name":"ts","type":"Int64","uses":["time"],"stored":{"row_groups":6,"dictionary_row_groups":6,"bytes":336,"unfolded_bytes":336},"read":{"row_groups":0,"dictionary_row_groups":0,"entries":0,"flat_rows":0,"bytes":0,"unfolded_bytes":0}}
        parts {"total":2,"pruned":0}
        row_groups {"total":6,"pruned":0}
        memory {"decoding":212}
        stages {"stage":"stored","rows":12,"bytes":600}
        stages {"stage":"read","rows":12,"bytes":5980}
        stages {"stage":"decoded","rows":12,"bytes":264}
        stages {"stage":"timeframe","rows":12,"groups":5}
        stages {"stage":"matched","rows":12,"groups":5}
        matchers 2
        restarted 0
        rejoined 0
        second_passes 0
        row_groups_without_match 0
    "#]]).await;
}

#[tokio::test]
async fn a_query_that_gathers_says_why() {
    let mut query = two_steps();
    query["funnel"]["stepTimes"] = json!(true);
    let world = world(Groups::Contained).await;
    let (scan, _) = table_scan(&world, &query);
    let explained = world.session().explain_funnel(scan, true).await.unwrap();
    assert_eq!(
        explained["strategy"],
        json!({"name": "gathering", "reason": "`stepTimes` needs the whole chain of a group"})
    );
    assert_eq!(explained["way"], "pages");
}

#[tokio::test]
async fn a_query_for_the_plain_matcher_takes_a_plan() {
    let mut query = two_steps();
    query["funnel"]["breakdown"] = json!({"column": "device"});
    query["funnel"]["stepAggregations"] = json!([{"column": "price", "type": "count"}]);
    let world = world(Groups::Contained).await;
    let (scan, _) = table_scan(&world, &query);
    let explained = world.session().explain_funnel(scan, true).await.unwrap();
    assert_eq!(explained["strategy"]["name"], "plain");
    assert_eq!(explained["reason"], "only the plain matcher takes this query");
    let plan = explained["plan"]["text"].as_str().unwrap();
    assert!(plan.contains("FunnelExec [rows=1"), "{plan}");
    let stages = explained["analysis"]["stages"].as_array().unwrap();
    assert_eq!(
        stages[1..],
        [
            json!({"stage": "timeframe", "rows": 12, "groups": 5}),
            json!({"stage": "matched", "rows": 12, "groups": 5}),
            json!({"stage": "passed", "rows": 7, "groups": 2}),
        ]
    );
}

#[tokio::test]
async fn a_view_takes_a_plan() {
    let world = world(Groups::Split).await;
    world.view("v", "SELECT * FROM t");
    let (_, query) = table_scan(&world, &example());
    let input = relation("v", query.expanded());
    let explained = world.session().explain_funnel(input, true).await.unwrap();
    assert_eq!(explained["way"], "plan");
    assert_eq!(explained["reason"], "nothing is known of the parts of this relation");
    assert_eq!(explained["groups"], "split");
    let plan = explained["plan"]["text"].as_str().unwrap();
    assert!(plan.contains("FunnelExec [rows="), "{plan}");
    assert!(plan.contains("RepartitionExec"), "{plan}");
}

#[tokio::test]
async fn too_little_memory_takes_a_plan_and_says_so() {
    let world = World::with(|config| config.memory_limit = 3 << 19);
    large(&world, 200_000, Groups::Contained).await;
    let (scan, _) = table_scan(&world, &two_steps());
    let explained = world.session().explain_funnel(scan, false).await.unwrap();
    assert_eq!(explained["way"], "pages", "{explained}");
    let world = World::with(|config| config.memory_limit = 1 << 16);
    register(&world, Groups::Contained).await;
    large(&world, 200_000, Groups::Contained).await;
    let (scan, _) = table_scan(&world, &two_steps());
    let explained = world.session().explain_funnel(scan, false).await.unwrap();
    assert_eq!(explained["way"], "plan", "{explained}");
    let reason = explained["reason"].as_str().unwrap();
    assert!(reason.starts_with("decoding a row group takes "), "{reason}");
}

#[tokio::test]
async fn a_table_without_parts_is_explained() {
    let world = world(Groups::Contained).await;
    let (mut scan, _) = table_scan(&world, &two_steps());
    scan.parts.clear();
    let explained = world.session().explain_funnel(scan, true).await.unwrap();
    assert_eq!(explained["parts"], json!({"total": 0, "pruned": 0}));
    assert_eq!(explained["analysis"]["matchers"], 0);
    assert!(explained.get("plan").is_none());
}
