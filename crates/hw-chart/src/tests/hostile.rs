//! Names and values that want to be markup.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::reading::read;
use crate::markup::visible;
use crate::{FunnelResult, Picture};

const ATTACKS: &[&str] = &[
    "</title><script>alert(1)</script>",
    "\" onload=\"alert(1)",
    "' style='x",
    "]]><!--",
    "&lt;b&gt;&#x3c;i>",
    "}</style><style>@import url(//elsewhere)",
    "<?xml-stylesheet href='//elsewhere'?>",
    "\u{0}\u{1b}[2J\u{fffe}\u{ffff}",
    "\u{202e}nekorb\u{2066}\u{feff}\u{2028}",
    "<svg/onload=alert(1)>",
    "a\nb\tc\r",
    "",
];

/// Every place that may hold a foreign text, holding `text`.
fn picture_of(text: &str, other: &str) -> (Value, FunnelResult) {
    let step = json!({"filters": [{"column": text, "op": "==", "value": other}], "rowFound": false});
    let query = json!({"funnel": {"sequence": [step, {"filter": [other, text, text]}], "breakdown": {"column": text}}});
    let aggregations = json!([
        {"column": text, "type": other, "name": text, "value": {text: 3, "b": 1.5}},
        {"column": text, "type": other, "value": text},
    ]);
    let selection = json!({"matchingGroups": 5, "matchingGroupRows": 12, "aggregations": aggregations});
    let mut second = selection.clone();
    second["sincePrevious"] = json!({"count": 2, "mean": text, "histogram": [{"from": 1, "to": text, "count": 2}]});
    let result = json!({
        "query": selection,
        "funnel": {
            "sequence": [selection, second],
            "endAggregations": aggregations,
            "breakdown": [{"value": text, "sequence": [selection, selection]}, {"value": {text: other}, "sequence": [selection]}],
        },
        "compare": {"matched": selection, "rest": selection},
    });
    (query, serde_json::from_value(result).unwrap())
}

#[track_caller]
fn check(text: &str, other: &str) {
    let (query, result) = picture_of(text, other);
    let picture = Picture {
        title: text,
        query: &query,
        result: &result,
    };
    read(&picture.svg());
    // Tables shorten nothing: what was said is there, as text.
    let texts = read(&picture.html());
    let name = visible(format!("2 {other} {text} {text}").trim_end());
    assert!(
        texts.iter().any(|(tag, found)| tag == "th" && *found == name),
        "{name:?}"
    );
}

#[test]
fn attacks_stay_text() {
    for text in ATTACKS {
        for other in ATTACKS {
            check(text, other);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_a_name_is_it_stays_text(text in any::<String>(), attack in 0..ATTACKS.len(), other in "[<>&\"'a-c/ !=-]{0,30}") {
        check(&format!("{text}{}", ATTACKS[attack]), &other);
    }
}
