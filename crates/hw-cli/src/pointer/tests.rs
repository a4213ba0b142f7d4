#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::find;

#[track_caller]
fn check(text: &str, pointer: &str, found: Option<&str>) {
    assert_eq!(find(text, pointer).map(|span| &text[span]), found);
}

const TEXT: &str = r#" { "a" : [1, {"b\"x": "}\",", "c": null}, [ ]], "a/b": {"~": 2.5e3}, "": true, "é": "ü" } "#;

#[test]
fn members_and_elements() {
    check(TEXT, "", Some(TEXT.trim()));
    check(TEXT, "/a/0", Some("1"));
    check(TEXT, "/a/1/b\"x", Some(r#""b\"x": "}\",""#));
    check(TEXT, "/a/1/c", Some(r#""c": null"#));
    check(TEXT, "/a/2", Some("[ ]"));
    check(TEXT, "/a~1b/~0", Some(r#""~": 2.5e3"#));
    check(TEXT, "/", Some(r#""": true"#));
    check(TEXT, "/é", Some(r#""é": "ü""#));
}

#[test]
fn a_missing_part_shows_what_is_around_it() {
    check(TEXT, "/a/1/zzz", Some(r#"{"b\"x": "}\",", "c": null}"#));
    check(TEXT, "/a/7", Some(r#""a" : [1, {"b\"x": "}\",", "c": null}, [ ]]"#));
    check(TEXT, "/a/x", Some(r#""a" : [1, {"b\"x": "}\",", "c": null}, [ ]]"#));
    check(TEXT, "/é/0", Some(r#""é": "ü""#));
    check("{}", "/funnel", Some("{}"));
    check("[]", "/0", Some("[]"));
}

#[test]
fn texts_that_are_no_json_do_not_matter() {
    check("", "/a", None);
    check("   ", "", None);
    check("{\"a\": ", "/a", None);
    check("{\"a\" 1}", "/a", Some("{\"a\" 1}"));
    check("{a: 1}", "/a", Some("{a: 1}"));
    check("]", "/a", None);
    check("\"abc\\", "", None);
    check("{} {}", "no pointer", None);
}

#[test]
fn depth_is_no_matter() {
    let text = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(find(&text, "/0/0").unwrap(), 2..text.len() - 2);
}
