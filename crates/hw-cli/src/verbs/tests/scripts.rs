use std::path::Path;

use expect_test::expect;
use serde_json::{Value, json};

use crate::tests::Scene;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let files: [(&str, &[u8]); 7] = [
        ("good.java", b"%scriptclass com.acme.Main;\n%import helper;\n%jar b.jar:a.jar;\n%jvmoption -Da=x\\ y;\nclass Main {}\n// %jar c.jar;\n"),
        ("helper.java", b"%import \"SHARED\";\nclass Helper {}\n"),
        ("shared.java", b"class Shared {}\n"),
        ("bad.java", b"class A {\n  int x = a\n    % b;\n}\n%jar\n%jars /a.jar;\n"),
        ("odd.java", b"x\r%k \xFFa;"),
        ("bad_helper.java", b"fine\n\xFF\xFE\n \t%jar x\n"),
        ("env.java", b"%env SCRIPT_OPTIONS_PARSER_VERSION=1;\n%jar b:a;\n%perNodeAndCallInstanceLimit 2;\n"),
    ];
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn play(folder: &Path, words: &[&str]) -> String {
    let words: Vec<&str> = ["script"].iter().chain(words).copied().collect();
    Scene::new().folder(folder).transcript(&words)
}

/// The document on standard output and the exit code.
fn document(words: &[&str]) -> (Value, i32) {
    let folder = folder();
    let words: Vec<&str> = ["script"]
        .iter()
        .chain(words)
        .chain(&["--format", "json"])
        .copied()
        .collect();
    let played = Scene::new().folder(folder.path()).play(&words);
    assert_eq!(played.errors, "");
    assert_eq!(played.requests, Vec::<String>::new(), "no router is asked");
    (serde_json::from_str(&played.output).unwrap(), played.code as i32)
}

#[test]
fn options_as_a_document() {
    assert_eq!(
        document(&["options", "good.java", "--parser", "v2", "--key", "jar"]),
        (
            json!({
                "options": [{"key": "jar", "value": "b.jar:a.jar", "start": 44, "end": 61, "line": 3, "column": 1}],
                "warnings": [{
                    "kind": "behind_code", "message": "`%jar` has no effect: something else stands before it in its line",
                    "line": 6, "column": 4, "offset": 100, "origin": null,
                    "help": "give it a line of its own if it is meant as an option"
                }]
            }),
            0
        )
    );
    assert_eq!(
        document(&["options", "odd.java"]),
        (
            json!({
                "options": [{"key": "k", "value": {"hex": "ff61"}, "start": 2, "end": 8, "line": 1, "column": 1}],
                "warnings": []
            }),
            0
        )
    );
}

#[test]
fn one_extraction_as_a_document() {
    assert_eq!(
        document(&["options", "env.java", "--parser", "v1", "--key", "%jar"]),
        (
            json!({
                "options": [{"key": "%jar", "value": "b:a", "start": 38, "end": 47, "line": 2, "column": 1}],
                "warnings": [],
                "code": "%env SCRIPT_OPTIONS_PARSER_VERSION=1;\n\n%perNodeAndCallInstanceLimit 2;\n"
            }),
            0
        )
    );
    let (found, code) = document(&["options", "helper.java", "--parser", "v1", "--key", "%jar"]);
    assert_eq!((&found["options"], code), (&json!([]), 0));
    assert_eq!(found["code"], "%import \"SHARED\";\nclass Helper {}\n");
}

#[test]
fn faults_as_a_document() {
    let (faults, code) = document(&["resolve", "bad.java", "--parser", "v2"]);
    assert_eq!(code, 3);
    assert_eq!(
        faults["errors"][0],
        json!({
            "code": "HW-U001", "aliases": ["F-UDF-CL-SL-JAVA-1623", "F-UDF-CL-SL-JAVA-1621"], "kind": "syntax",
            "message": "no key behind `%`: unexpected whitespace", "line": 3, "column": 6, "offset": 27,
            "unexpected": "whitespace", "origin": null,
            "help": "a line that begins with `%` is taken for an option: write `%key value;`, or let code that has to begin with `%` \
                     stand behind something else, on the line before for instance"
        })
    );
    let codes: Vec<&Value> = faults["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| &error["code"])
        .collect();
    assert_eq!(codes, ["HW-U001", "HW-U001", "HW-U004"]);
    let (faults, code) = document(&["resolve", "good.java", "--parser", "v2", "--import", "HELPER"]);
    assert_eq!(code, 3);
    assert_eq!(faults["errors"][0]["aliases"], json!(["F-UDF-CL-SL-JAVA-1632"]));
    assert_eq!(
        faults["errors"][0]["message"],
        "`helper` cannot be imported: no such script: helper"
    );
}

#[test]
fn a_resolved_script_as_a_document() {
    let words = [
        "resolve",
        "good.java",
        "--parser",
        "v2",
        "--import",
        "HELPER=helper.java",
        "--import",
        "shared=shared.java",
    ];
    let (found, code) = document(&words);
    assert_eq!(code, 0);
    let import = |name: &str, from: Value, depth: u8, size: u8, origin: Value, line: u8, offset: u8| {
        json!({
            "name": name, "from": from, "depth": depth, "outcome": "inserted", "bytes": size, "known_from": null,
            "origin": origin, "line": line, "column": 1, "offset": offset
        })
    };
    assert_eq!(
        found,
        json!({
            "code": "\nclass Shared {}\n\nclass Helper {}\n\n\n\nclass Main {}\n// %jar c.jar;\n",
            "scriptclass": "com.acme.Main",
            "jvm_options": ["-Dexasol.scriptclass=com.acme.Main", "-Da=x y"],
            "jars": ["b.jar", "a.jar"],
            "import_requests": ["helper", "\"SHARED\""],
            "imports": [
                import("helper", Value::Null, 1, 34, Value::Null, 2, 28),
                import("\"SHARED\"", json!(0), 2, 16, json!("helper"), 1, 0),
            ],
            "warnings": [{
                "kind": "behind_code", "message": "`%jar` has no effect: something else stands before it in its line",
                "line": 6, "column": 4, "offset": 100, "origin": null,
                "help": "give it a line of its own if it is meant as an option"
            }]
        })
    );
}

#[test]
fn the_variable_of_a_script_chooses_its_parser() {
    let folder = folder();
    let (found, _) = document(&["resolve", "env.java", "--parser", "v2"]);
    assert_eq!(found["warnings"][0]["kind"], "parser");
    let (found, _) = document(&["resolve", "env.java"]);
    assert_eq!(found["warnings"], json!([]));
    assert_eq!(found["jars"], json!(["a", "b"]));
    assert_eq!(
        found["database"],
        json!({"environment": [{"name": "SCRIPT_OPTIONS_PARSER_VERSION", "value": "1"}], "instance_limit": 2})
    );
    expect![[r#"
        part       value                            from
        jar        a                                2:1
        jar        b                                2:1
        variable   SCRIPT_OPTIONS_PARSER_VERSION=1
        instances  2
        ! warning: the script chooses its parser by `%env SCRIPT_OPTIONS_PARSER_VERSION`: V1 is used, not V2
        exit 0
    "#]]
    .assert_eq(&play(
        folder.path(),
        &["resolve", "env.java", "--parser", "v2", "--format", "table"],
    ));
}

#[test]
fn the_start_of_a_virtual_machine() {
    let folder = folder();
    let (faults, code) = document(&["resolve", "env.java", "--launch"]);
    assert_eq!((code, faults["errors"].as_array().unwrap().len()), (3, 2));
    assert_eq!(faults["errors"][0]["aliases"], json!(["F-UDF-CL-SL-JAVA-1061"]));
    std::fs::write(folder.path().join("a"), "").unwrap();
    std::fs::create_dir(folder.path().join("b")).unwrap();
    let words = ["script", "resolve", "env.java", "--launch", "--format", "json"];
    let played = Scene::new().folder(folder.path()).play(&words);
    assert!(played.output.contains("F-UDF-CL-SL-JAVA-1063"), "{}", played.output);
    std::fs::remove_dir(folder.path().join("b")).unwrap();
    std::fs::write(folder.path().join("b"), "").unwrap();
    let words = [
        "script",
        "resolve",
        "env.java",
        "--launch",
        "--runtime-jar",
        "rt.jar",
        "--memory-limit",
        "512MiB",
        "--script-name",
        "F.G",
    ];
    let words: Vec<&str> = words.iter().chain(&["--format", "json"]).copied().collect();
    let played = Scene::new().folder(folder.path()).play(&words);
    let found: Value = serde_json::from_str(&played.output).unwrap();
    assert_eq!(
        found["launch"],
        json!({
            "command": [
                "java", "-Xms128m", "-Xmx320m", "-Xss512k", "-XX:ErrorFile=/tmp/hs_err_pid%p.log", "-Djava.class.path=rt.jar:a:b",
                "-XX:+UseSerialGC"
            ],
            "class_path": "rt.jar:a:b", "script_class": "com.exasol.F_G", "source": null
        })
    );
}

#[test]
fn people_see_the_lines() {
    let folder = folder();
    expect![[r#"
        place  key          value          start  end
        1:1    scriptclass  com.acme.Main      0   27
        2:1    import       helper            28   43
        3:1    jar          b.jar:a.jar       44   61
        4:1    jvmoption    -Da=x\ y          62   82
        ! warning: good.java:6:4: `%jar` has no effect: something else stands before it in its line; give it a line of its own if it is meant as an option
        exit 0
    "#]].assert_eq(&play(folder.path(), &["options", "good.java", "--format", "table"]));
    expect![[r#"
        error[HW-U001]: no key behind `%`: unexpected whitespace (F-UDF-CL-SL-JAVA-1623, F-UDF-CL-SL-JAVA-1621)
          --> bad.java:3:6
           |
         3 |     % b;
           |      ^ unexpected whitespace
           = help: a line that begins with `%` is taken for an option: write `%key value;`, or let code that has to begin with `%` stand behind something else, on the line before for instance

        error[HW-U001]: no white space behind `%jar`: the line ends (F-UDF-CL-SL-JAVA-1623, F-UDF-CL-SL-JAVA-1621)
          --> bad.java:5:5
           |
         5 | %jar
           |     ^ the line ends here
           = help: write `%jar VALUE;`

        error[HW-U004]: there is no option `%jars` (F-UDF-CL-SL-JAVA-1622)
          --> bad.java:6:1
           |
         6 | %jars /a.jar;
           | ^ here
           = help: did you mean `%jar`, with white space behind it?
        exit 3
    "#]].assert_eq(&play(
        folder.path(),
        &["resolve", "bad.java", "--parser", "v2", "--format", "table"],
    ));
    let words = [
        "resolve",
        "good.java",
        "--parser",
        "v2",
        "--import",
        "helper=bad_helper.java",
        "--format",
        "table",
    ];
    expect![[r#"
        error[HW-U001]: `%jar` is not closed: the line ends before a `;` (F-UDF-CL-SL-JAVA-1630)
          --> helper:3:9
           |
         3 |   %jar x
           |         ^ the line ends here
           = help: close it by `;` on the same line (`\;` is a semicolon of the value): `%jar VALUE;`; if it is code, let it not begin the line
        exit 3
    "#]].assert_eq(&play(folder.path(), &words));
    let words = [
        "resolve",
        "good.java",
        "--parser",
        "v2",
        "--import",
        "helper=helper.java",
        "--import",
        "shared=shared.java",
        "--format",
        "table",
    ];
    expect![[r#"
        part        value                               from
        jvm option  -Dexasol.scriptclass=com.acme.Main  1:1
        jvm option  -Da=x y                             4:1
        jar         b.jar                               3:1
        jar         a.jar                               3:1
        import      helper (34 bytes)                   2:1
        import      "SHARED" (16 bytes)                 helper:1:1


        class Shared {}

        class Helper {}



        class Main {}
        // %jar c.jar;
        ! warning: good.java:6:4: `%jar` has no effect: something else stands before it in its line; give it a line of its own if it is meant as an option
        exit 0
    "#]].assert_eq(&play(folder.path(), &words));
}

#[test]
fn what_changes_with_the_second_parser() {
    let folder = folder();
    expect![[r#"
        change: jars were sorted and doubles dropped; now they keep the order of the text
          --> good.java:3:1
           |
         3 | %jar b.jar:a.jar;
           | ^ here
           = help: put the jars into the order that the class path is to have

        change: `%jvmoption` was `-Da=x\` `y`, and is `-Da=x y` now
          --> good.java:4:1
           |
         4 | %jvmoption -Da=x\ y;
           | ^ here
           = help: in a JVM option a backslash is written `\\\\`: it is read twice
        exit 0
    "#]]
    .assert_eq(&play(folder.path(), &["check", "good.java", "--format", "table"]));
    expect![[r#"
        the second parser makes the same of it
        exit 0
    "#]]
    .assert_eq(&play(folder.path(), &["check", "shared.java", "--format", "table"]));
    let (found, code) = document(&["check", "bad.java"]);
    assert_eq!((&found["success"], code), (&json!(false), 3));
    let (found, code) = document(&["check", "good.java"]);
    assert_eq!((&found["success"], code), (&json!(true), 0));
    assert_eq!(found["changes"][0]["kind"], "jar_order");
}

#[test]
fn what_cannot_be_asked() {
    let folder = folder();
    expect![[r#"
        ! error[HW-C050]: the first parser looks for one keyword, and none is named
        ! help: add `--key %jar` for instance, or take `--parser v2`, which finds all options
        exit 2
    "#]]
    .assert_eq(&play(folder.path(), &["options", "good.java", "--parser", "v1"]));
    expect![[r#"
        ! error[HW-C055]: cannot read `gone.java`: No such file or directory (os error 2)
        ! help: check the path; `-` reads standard input
        exit 3
    "#]]
    .assert_eq(&play(folder.path(), &["options", "gone.java"]));
    expect![[r#"
        ! error[HW-C050]: this verb has no form `arrow`
        ! help: use --format table, json, jsonl or csv
        exit 2
    "#]]
    .assert_eq(&play(folder.path(), &["options", "good.java", "--format", "arrow"]));
}
