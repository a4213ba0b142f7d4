use expect_test::{Expect, expect};
use hw_catalog::Groups;
use serde_json::{Value, json};

use super::samples::lines;
use crate::register::{RegisterParams, Validation};

#[track_caller]
fn check_faults(document: Value, expected: Expect) {
    expected.assert_eq(&lines(&RegisterParams::parse(&document).unwrap_err()));
}

#[test]
fn defaults_are_written_out() {
    let params = RegisterParams::parse(&json!({"name": "events", "path": "/data/events"})).unwrap();
    expect![[r#"
        {
          "name": "events",
          "path": "/data/events",
          "group": null,
          "time": null,
          "pattern": "*.parquet",
          "recursive": false,
          "validation": "sample",
          "validate_uniques": true,
          "groups": "contained"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&params).unwrap());
    assert_eq!(
        RegisterParams::parse(&serde_json::to_value(&params).unwrap()).unwrap(),
        params
    );
}

#[test]
fn the_names_of_other_clients_are_known() {
    let camel = json!({
        "name": "web events", "basepath": "s3://b/e", "groupIdColumn": "user id", "timestampColumn": "ts",
        "validationMode": "FIRST_LAST", "validateUniques": false, "pattern": null,
    });
    let snake = json!({
        "name": "web events", "basepath": "s3://b/e", "group_id_column": "user id", "timestamp_column": "ts",
        "validation_mode": "first_last", "validate_uniques": false,
    });
    let ours = json!({
        "name": "web events", "path": "s3://b/e", "group": "user id", "time": "ts", "validation": "First_Last",
        "validate_uniques": false, "groups": "contained",
    });
    let params = RegisterParams::parse(&ours).unwrap();
    assert_eq!(RegisterParams::parse(&camel).unwrap(), params);
    assert_eq!(RegisterParams::parse(&snake).unwrap(), params);
    assert_eq!(
        (params.validation, params.groups),
        (Validation::FirstLast, Groups::Contained)
    );
}

#[test]
fn every_fault_is_told_at_once() {
    check_faults(
        json!({
            "name": "a\nb", "path": 7, "grup": "user", "time": "at", "pattern": "a/b", "recursive": "yes",
            "validation": "most", "validate_uniques": 1, "groups": ["contained"], "colour/~": true,
        }),
        expect![[r#"
            HW-T022 '/grup' unknown parameter `grup`
                did you mean `group`?
            HW-T022 '/colour~1~0' unknown parameter `colour/~`
                known are `name`, `path`, `group`, `time`, `pattern`, `recursive`, `validation`, `validate_uniques`, `groups`
            HW-T024 '/name' a table name must not hold control characters, found '\n'
            HW-T024 '/path' `path` must be text, not a number
            HW-T023 '' `group` is missing
                funnels need both columns; leave both out for a plain table
            HW-T008 '/pattern' `a/b` is not a valid pattern: it holds a `/`
                a pattern holds `*`, `?`, `[a-z]` and `{a,b}` and is compared with the file name alone; put a backslash before a wildcard that stands for itself
            HW-T024 '/recursive' `recursive` must be `true` or `false`, not text
            HW-T024 '/validation' `most` is not a value of `validation`
                one of `single`, `first_last`, `sample`, `all`
            HW-T024 '/validate_uniques' `validate_uniques` must be `true` or `false`, not a number
            HW-T024 '/groups' `groups` must be text, not a list
        "#]],
    );
}

#[test]
fn other_faults_of_parameters() {
    check_faults(
        json!([]),
        expect![[r#"
        HW-T024 '' the parameters of a registration must be a JSON object
    "#]],
    );
    check_faults(
        json!({}),
        expect![[r#"
        HW-T023 '' `name` is missing
            give the name of the table
        HW-T023 '' `path` is missing
            give the folder or URL of the parts
    "#]],
    );
    check_faults(
        json!({"name": "", "path": "", "group": "x", "group_id_column": "x", "timestampColumn": "x"}),
        expect![[r#"
            HW-T024 '/group_id_column' `group_id_column` is another name of `group`, and both are given
                leave one of them out
            HW-T024 '/name' a table name must not be empty
            HW-T024 '/path' `path` must not be empty
            HW-T024 '/timestampColumn' the group column and the time column must be two columns
        "#]],
    );
}
