//! What the check for a move to the second parser tells.

use crate::check_migration;

#[track_caller]
fn check(script: &str, expected: &[&str]) {
    let migration = check_migration(script.as_bytes());
    let faults = migration.faults.iter().map(|fault| {
        let code = fault.kind.code();
        format!("{}:{} {code}", fault.place.line, fault.place.column)
    });
    let changes = migration
        .changes
        .iter()
        .map(|change| format!("{}:{} {}", change.place.line, change.place.column, change.kind));
    assert_eq!(faults.chain(changes).collect::<Vec<_>>(), expected, "{script:?}");
}

#[test]
fn what_means_the_same_is_not_told() {
    check("", &[]);
    check(
        "%scriptclass com.A;\n%import B;\n%jar /a:/b;\n%jvmoption -Xmx1g -Da;\n%env A=1;\ncode\n",
        &[],
    );
    check("%jar a ;\n%jar b\t;", &[]);
}

#[test]
fn what_the_second_parser_refuses_is_a_fault() {
    check(
        "%matplotlib inline\n%jarx y;\nx\n% y",
        &["1:19 HW-U001", "4:2 HW-U001", "2:1 HW-U004"],
    );
    check("%jar/a;", &["1:5 HW-U001"]);
    check("%jar %x;", &["1:6 HW-U001"]);
    check("%jvmoption -Da \\t;", &["1:16 HW-U009"]);
}

#[test]
fn what_gains_or_loses_its_effect() {
    check("// %jar a;\n%jar b;", &["2:1 `%jar` had no effect, and has one now"]);
    check("%jar a; %import B;", &["1:9 `%import` had no effect, and has one now"]);
    check(
        "%scriptclass A;\n%scriptclass B;",
        &["2:1 a further `%scriptclass` was left in the text, and is removed now"],
    );
    check("%jarjar x;", &["1:1 HW-U004"]);
}

#[test]
fn values_that_mean_something_else() {
    check(
        "%jvmoption -Da=b\\ c -De;",
        &["1:1 `%jvmoption` was `-Da=b\\` `c` `-De`, and is `-Da=b c` `-De` now"],
    );
    check(
        "%jar C:\\new.jar;",
        &["1:1 `%jar` was `C` `\\new.jar`, and is `C` `\u{FFFD}ew.jar` now"],
    );
    check("%jar a\\;b;", &["1:1 `%jar` was `a\\`, and is `a;b` now"]);
    check(
        "%jar b:a;\n%jar a;",
        &["1:1 jars were sorted and doubles dropped; now they keep the order of the text"],
    );
}
