//! The requirements and design points of the reference by their ids, each with scripts that show it.

use super::show;
use crate::Version::{V1, V2};
use crate::{FaultKind, parse};

/// Options of the second parser as `key=value@start..end`, or the fault.
fn options(text: &str) -> String {
    match parse(text.as_bytes()) {
        Ok(options) => {
            let one = |option: &crate::ScriptOption<'_>| {
                format!(
                    "{}={}@{}..{}",
                    option.key.escape_ascii(),
                    option.value.escape_ascii(),
                    option.start,
                    option.end
                )
            };
            options.list.iter().map(one).collect::<Vec<_>>().join(" ")
        }
        Err(faults) => {
            let first = &faults.faults[0];
            let FaultKind::Syntax(syntax) = &first.kind else {
                panic!("{first:?}")
            };
            format!(
                "{}:{} {}",
                first.place.line,
                first.place.column,
                syntax.unexpected.name()
            )
        }
    }
}

#[test]
fn generic_parser_by_requirement() {
    let table = [
        // id, text, options
        ("req~general-script-options-parsing~1", "%a b;", "a=b@0..5"),
        ("req~general-script-options-parsing~1", "%A_9z b;", "A_9z=b@0..8"),
        ("req~white-spaces~1", "%a \t\x0B\x0Cb;", "a=b@0..8"),
        ("req~white-spaces~1", "%a\u{A0}b;", "1:3 not_semicolon"),
        (
            "req~leading-white-spaces-script-options-parsing~1",
            " \t\x0B\x0C%a b;",
            "a=b@4..9",
        ),
        ("req~leading-white-spaces-script-options-parsing~1", "\u{FEFF}%a b;", ""),
        ("req~ignore-none-script-options~1", "// %a b;\n * %c d;\nx % y;", ""),
        (
            "req~multiple-lines-script-options-parsing~1",
            "code\n%a 1;\ncode\r\n%b 2;\rcode",
            "a=1@5..10 b=2@17..22",
        ),
        (
            "req~white-spaces-script-options-parsing-v2~1",
            "%a  b  c ;",
            "a=b  c @0..10",
        ),
        (
            "req~white-spaces-script-options-parsing-v2~1",
            "%a \\ \\ x;",
            "a= \\\\ x@0..9",
        ),
        (
            "req~white-spaces-script-options-parsing-v2~1",
            "%a \\t;%a \\f;%a \\v;",
            "a=\\t@0..6 a=\\x0c@6..12 a=\\x0b@12..18",
        ),
        (
            "req~escape-sequence-script-options-parsing~1",
            "%a x\\n\\r\\;\\\\y;",
            "a=x\\n\\r;\\\\y@0..14",
        ),
        (
            "req~escape-sequence-script-options-parsing~1",
            "%a x\\\\;y;",
            "a=x\\\\@0..7",
        ),
        (
            "req~escape-sequence-script-options-parsing~1",
            "%a x\\q\\t;",
            "a=x\\\\q\\\\t@0..9",
        ),
        (
            "req~multiple-options-management~1",
            "%a 1;%b 2; %c 3; code",
            "a=1@0..5 b=2@5..10 c=3@11..16",
        ),
        ("req~multiple-options-management~1", "%a 1;; %b 2;", "a=1@0..5"),
        (
            "req~duplicate-options-management~1",
            "%a 1;\n%a 1;\n%a 0;",
            "a=1@0..5 a=1@6..11 a=0@12..17",
        ),
        ("dsn~run-parser-line-by-line~1", "%a b\n;", "1:5 <eof>"),
        ("dsn~lexer-parser-rules-not-an-option~1", "x; %a b;", ""),
        ("section 1.6", "%", "1:2 <eof>"),
        ("section 1.6", "%%", "1:2 %"),
        ("section 1.6", "% x", "1:2 whitespace"),
        ("section 1.6", "%;", "1:2 ;"),
        ("section 1.6", "%jar;", "1:5 ;"),
        ("section 1.6", "%jar", "1:5 <eof>"),
        ("section 1.6", "%a-b c;", "1:3 not_semicolon"),
        ("section 1.6", "%jar ;", "1:6 ;"),
        ("section 1.6", "%jar %x;", "1:6 %"),
        ("section 1.6", "%jar x", "1:7 <eof>"),
        ("section 1.6", "%jar x\\;", "1:9 <eof>"),
        ("section 1.6", "%\\n", "1:2 escape_seq"),
        ("section 1.6", "%a 1; %b", "1:9 <eof>"),
        ("section 1.6", "code\n\n%a b\n", "3:5 <eof>"),
        ("section 1.6", "code\r\r%a b\r", "1:5 <eof>"),
    ];
    for (id, text, expected) in table {
        assert_eq!(options(text), expected, "{id}: {text:?}");
    }
}

#[test]
fn keys_are_told_in_the_order_of_their_bytes() {
    let options = parse(b"%b 1;%a 2;%B 3;%b 4;").unwrap();
    let keys = options.by_key();
    let shown: Vec<_> = keys
        .iter()
        .map(|(key, list)| (key.escape_ascii().to_string(), list.len()))
        .collect();
    assert_eq!(shown, [("B".to_owned(), 1), ("a".to_owned(), 1), ("b".to_owned(), 2)]);
}

#[test]
fn handlers_by_requirement() {
    let table = [
        // id, parser, script, what becomes of it
        (
            "req~script-option-removal~1",
            V2,
            "a\n\t%jar x; \nb",
            "code=\"a\\n\\t \\nb\" jvm=[] jars=[x]",
        ),
        (
            "req~script-option-removal~1",
            V1,
            "a\n\t%jar x; \nb",
            "code=\"a\\n\\t \\nb\" jvm=[] jars=[x]",
        ),
        (
            "req~white-spaces-script-options-parsing-v1~1",
            V1,
            "%jar  x \t;",
            "code=\"\" jvm=[] jars=[x]",
        ),
        ("section 2", V1, "%jar/x.jar;", "code=\"\" jvm=[] jars=[/x.jar]"),
        ("section 2", V1, "%jar a\\;b;", "code=\"b;\" jvm=[] jars=[a\\]"),
        (
            "section 2",
            V1,
            "// %jar a;\n%jar b;",
            "code=\"// %jar a;\\n%jar b;\" jvm=[] jars=[] warnings=[hidden 2:1]",
        ),
        (
            "req~script-option-unknown-options-behvaior-v1~1",
            V1,
            "%other x;",
            "code=\"%other x;\" jvm=[] jars=[]",
        ),
        (
            "req~script-option-unknown-options-behavior-v2~1",
            V2,
            "%z x;\n%other x;\n",
            "HW-U004 unknown_key 2:1 @6 [1622] there is no option `%other`",
        ),
        (
            "req~java-scriptclass-option-handling-v2~1",
            V2,
            "%jvmoption -Da;%scriptclass \\n com.A \\n;",
            "code=\"\" jvm=[-Dexasol.scriptclass=com.A|-Da] jars=[]",
        ),
        (
            "req~java-scriptclass-option-handling-v2~1",
            V2,
            "%scriptclass \\n;",
            "code=\"\" jvm=[] jars=[]",
        ),
        (
            "req~java-jar-option-handling-v2~1",
            V2,
            "%jar :a::b:;%jar :;",
            "code=\"\" jvm=[] jars=[|a||b|]",
        ),
        (
            "req~java-jar-option-trailing-white-space-handling~1",
            V2,
            "%jar a.jar\\   ;",
            "code=\"\" jvm=[] jars=[a.jar ]",
        ),
        (
            "req~java-jar-option-trailing-white-space-handling~1",
            V2,
            "%jar a.jar  ;",
            "code=\"\" jvm=[] jars=[a.jar]",
        ),
        (
            "req~java-jar-option-trailing-white-space-handling~1",
            V2,
            "%jar x\\\\\\\\t;",
            "code=\"\" jvm=[] jars=[x\\t]",
        ),
        (
            "req~java-jar-option-trailing-white-space-handling~1",
            V2,
            "%jar x\\\\\\ ;",
            "code=\"\" jvm=[] jars=[x\\ ]",
        ),
        (
            "req~java-jar-option-trailing-white-space-handling~1",
            V2,
            "%jar a\\ b\\ :c;",
            "code=\"\" jvm=[] jars=[a\\ b\\ |c]",
        ),
        ("section 3.5", V2, "%jar t;%jar \\ ;", "code=\"\" jvm=[] jars=[t]"),
        (
            "section 3.5, defect",
            V2,
            "%jar \\\\\\\\t;",
            "code=\"\" jvm=[] jars=[\\t]",
        ),
        ("section 3.5, defect", V2, "%jar \\\\ ;", "code=\"\" jvm=[] jars=[ ]"),
        (
            "req~java-jvmoption-handling~1",
            V2,
            "%jvmoption -b  -a;\n%jvmoption -b;",
            "code=\"\\n\" jvm=[-b|-a|-b] jars=[]",
        ),
        (
            "req~java-jvmoption-whitespace-handling~1",
            V1,
            "%jvmoption -b \t -a;",
            "code=\"\" jvm=[-b|-a] jars=[]",
        ),
        (
            "req~java-jvmoption-whitespace-escape-handling-v2~1",
            V2,
            "%jvmoption -Da=x\\ y -Db=z;",
            "code=\"\" jvm=[-Da=x y|-Db=z] jars=[]",
        ),
        (
            "section 3.4",
            V2,
            "%jvmoption a\\\\tb\\\\\\\\t;",
            "code=\"\" jvm=[a\tb\\t] jars=[]",
        ),
        (
            "section 3.4",
            V2,
            "%jvmoption -Da=1 \\t;",
            "HW-U009 syntax 1:18 @17 [] a JVM option cannot begin with an escaped blank or backslash (line 1, column 7 of the value)",
        ),
        (
            "section 3.4",
            V2,
            "%jvmoption a\\nb \\\\\\\\;",
            "HW-U009 syntax 1:17 @16 [] a JVM option cannot begin with an escaped blank or backslash (line 2, column 3 of the value)",
        ),
    ];
    for (id, version, script, expected) in table {
        assert_eq!(show(version, script, &[]), expected, "{id}: {script:?}");
    }
}

#[test]
fn imports_by_requirement() {
    let scripts: &[(&str, &str)] = &[
        ("A", "class A {}\n"),
        ("B", "%import A;\nclass B {}\n%jar b.jar;\n"),
        ("C", "%scriptclass X;\n%jvmoption -Dc;\n"),
        ("SELF", "%import SELF;self\n"),
        ("OPEN", "open"),
        ("COPY", "class A {}\n"),
        ("BAD", "fine\n %jar"),
        ("ODD", "%odd key;\n"),
        ("NUL", "%jar n.jar;\n\0%nothing"),
    ];
    let table = [
        // id, parser, script, what becomes of it
        (
            "req~java-import-option-replace-referenced-scripts~1",
            V2,
            "%import B;\n%jar m.jar;",
            "code=\"class A {}\\n\\nclass B {}\\n\\n\\n\" jvm=[] jars=[b.jar|m.jar] requests=[B|A]",
        ),
        (
            "req~java-import-option-handling-v2~1",
            V2,
            "%import A;%import A;%import COPY;x",
            "code=\"class A {}\\nx\" jvm=[] jars=[] requests=[A|A|COPY]",
        ),
        (
            "req~java-import-option-handling-v2~1",
            V2,
            "%import C;x",
            "code=\"\\n\\nx\" jvm=[-Dc] jars=[] requests=[C] warnings=[imported_scriptclass 1:1 of C]",
        ),
        (
            "req~java-import-option-handling-v1~1",
            V1,
            "%import C;x",
            "code=\"%scriptclass X;\\n\\nx\" jvm=[-Dc] jars=[] requests=[C]",
        ),
        (
            "section 3.3",
            V2,
            "%import SELF;",
            "code=\"self\\n\" jvm=[] jars=[] requests=[SELF|SELF]",
        ),
        (
            "section 3.3",
            V1,
            "%import SELF;",
            "code=\"self\\n\" jvm=[] jars=[] requests=[SELF|SELF]",
        ),
        (
            "section 3.3",
            V2,
            "%import OPEN; %jar x;",
            "code=\"open %jar x;\" jvm=[] jars=[] requests=[OPEN] warnings=[lost_by_joining 1:15]",
        ),
        (
            "section 3.3",
            V1,
            "%import OPEN; %import A;",
            "code=\"open %import A;\" jvm=[] jars=[] requests=[OPEN] warnings=[lost_by_joining 1:15]",
        ),
        (
            "section 3.3",
            V2,
            "%import \\nA\\n;",
            "code=\"class A {}\\n\" jvm=[] jars=[] requests=[A]",
        ),
        (
            "section 3.3",
            V2,
            "%import NUL;",
            "code=\"\\n\" jvm=[] jars=[n.jar] requests=[NUL]",
        ),
        (
            "section 3.7",
            V2,
            "x\n%import NONE;",
            "HW-U006 provider 2:1 @2 [1632] `NONE` cannot be imported: no such script: NONE",
        ),
        (
            "section 3.7",
            V1,
            "x\n%import NONE;",
            "HW-U006 provider 2:1 @2 [1616] `NONE` cannot be imported: no such script: NONE",
        ),
        (
            "section 3.7",
            V2,
            "%import BAD;",
            "HW-U001 syntax 2:6 @10 [1630] no white space behind `%jar`: the line ends of BAD",
        ),
        (
            "section 3.7",
            V2,
            "%import ODD;",
            "HW-U004 unknown_key 1:1 @0 [1622] there is no option `%odd` of ODD",
        ),
        (
            "section 3.7",
            V1,
            "%import ;",
            "HW-U002 no_value 1:1 @0 [1614 1606] `%import` has no value",
        ),
        (
            "section 3.7",
            V1,
            "%import",
            "HW-U002 no_value 1:1 @0 [1614 1606] `%import` has no value",
        ),
        (
            "section 3.7",
            V1,
            "%scriptclass ;",
            "HW-U002 no_value 1:1 @0 [1610 1606] `%scriptclass` has no value",
        ),
        (
            "section 3.7",
            V1,
            "%jvmoption ;",
            "HW-U002 no_value 1:1 @0 [1612 1607] `%jvmoption` has no value",
        ),
    ];
    for (id, version, script, expected) in table {
        assert_eq!(show(version, script, scripts), expected, "{id}: {script:?}");
    }
}

#[test]
fn a_script_with_a_class_that_imports_itself_is_put_in_once_by_the_first_parser() {
    // The known text lacks the option there; the second parser knows the whole text.
    let script = "%scriptclass X;%import SELF;code\n";
    let scripts: &[(&str, &str)] = &[("SELF", script)];
    assert_eq!(
        show(V1, script, scripts),
        "code=\"%scriptclass X;%import SELF;code\\ncode\\n\" jvm=[-Dexasol.scriptclass=X] jars=[] requests=[SELF] warnings=[behind_code 1:16 of SELF]"
    );
    assert_eq!(
        show(V2, script, scripts),
        "code=\"code\\n\" jvm=[-Dexasol.scriptclass=X] jars=[] requests=[SELF]"
    );
}

#[test]
fn options_of_the_database_are_gone_before_the_handler_works() {
    for version in [V1, V2] {
        let resolved = crate::resolve(
            b" %env A=1 ;%env B= x=y;\n%perNodeAndCallInstanceLimit 4;\n// %env C=1\ncode",
            crate::Settings::new(version),
            &mut crate::NoScripts,
        )
        .unwrap();
        let environment: Vec<_> = resolved
            .database
            .environment
            .iter()
            .map(|v| (v.name.escape_ascii().to_string(), v.value.escape_ascii().to_string()))
            .collect();
        assert_eq!(
            environment,
            [("A".into(), "1".into()), ("B".into(), " x=y".into())],
            "{version:?}"
        );
        assert_eq!(resolved.database.instance_limit, Some(4));
        assert_eq!(*resolved.code, *b" \n\n// %env C=1\ncode");
    }
    let table = [
        (
            V1,
            "%env A=1\n",
            "HW-U011 database_option 1:1 @0 [] `%env` is not closed: its line ends before a `;`",
        ),
        (
            V2,
            "%env A=1\n",
            "HW-U001 syntax 1:9 @8 [1623 1621] `%env` is not closed: the line ends before a `;`",
        ),
        (
            V1,
            "x\n%env A;",
            "HW-U011 database_option 2:1 @2 [] `%env` assigns nothing",
        ),
        (
            V2,
            "x\n%env =A;",
            "HW-U011 database_option 2:1 @2 [] `%env` assigns nothing",
        ),
        (
            V2,
            "%perNodeAndCallInstanceLimit -1;",
            "HW-U011 database_option 1:1 @0 [] `%perNodeAndCallInstanceLimit` is no whole number from 1",
        ),
        (
            V1,
            "%perNodeAndCallInstanceLimit 0;",
            "HW-U011 database_option 1:1 @0 [] `%perNodeAndCallInstanceLimit` is no whole number from 1",
        ),
        (V1, "%environment A=1;", "code=\"%environment A=1;\" jvm=[] jars=[]"),
    ];
    for (version, script, expected) in table {
        assert_eq!(show(version, script, &[]), expected, "{script:?}");
    }
}

#[test]
fn the_variable_wins_over_the_argument() {
    use crate::choose_version;
    let of = |script: &str| {
        let resolved = crate::resolve(script.as_bytes(), crate::Settings::new(V1), &mut crate::NoScripts);
        resolved.unwrap().database.version()
    };
    let name = "SCRIPT_OPTIONS_PARSER_VERSION";
    assert_eq!(of(&format!("%env {name}=1;\n%env {name}=2;")), Some(V2));
    assert_eq!(of(&format!("%env {name}=1;")), Some(V1));
    assert_eq!(of(&format!("%env {name}=3;")), None);
    for (variable, argument, expected) in [
        (Some(V1), Some(V2), V1),
        (Some(V2), Some(V1), V2),
        (None, Some(V2), V2),
        (None, None, V1),
    ] {
        assert_eq!(choose_version(variable, argument), expected);
    }
}

#[test]
fn all_faults_of_a_script_are_told_at_once() {
    let faults = |version, script: &str| {
        let list = crate::resolve(script.as_bytes(), crate::Settings::new(version), &mut crate::NoScripts).unwrap_err();
        let one = |fault: &crate::Fault| format!("{} {}:{}", fault.kind.code(), fault.place.line, fault.place.column);
        list.faults.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    assert_eq!(
        faults(V2, "%jar\n%z 1;\n%\n%a 1;\n"),
        "HW-U001 1:5, HW-U001 3:2, HW-U004 4:1, HW-U004 2:1"
    );
    assert_eq!(faults(V2, "%import A;\n%import B;"), "HW-U006 1:1, HW-U006 2:1");
    assert_eq!(
        faults(V2, "%jvmoption a \\t;\n%jvmoption b \\t;"),
        "HW-U009 1:14, HW-U009 2:14"
    );
    assert_eq!(
        faults(V1, "%jar ;\n%jar x\n%scriptclass ;\n%jvmoption x\n"),
        "HW-U002 3:1, HW-U003 4:1, HW-U002 1:1, HW-U003 2:1"
    );
}

#[test]
fn the_reference_would_have_said() {
    let faults = parse(b"x\n%jar x").unwrap_err();
    assert_eq!(
        faults.faults[0].as_the_reference_says().unwrap(),
        "Error parsing script options at line 1: [1:7] PARSE: Syntax error: Unexpected '<eof>'"
    );
}

#[test]
fn options_of_the_database_in_imported_scripts_are_removed_with_a_warning() {
    let scripts: &[(&str, &str)] = &[("A", "%env X=1;\na\n")];
    for version in [V1, V2] {
        assert_eq!(
            show(version, "%env Y=1;%import A;", scripts),
            "code=\"\\na\\n\" jvm=[] jars=[] requests=[A] warnings=[imported_database_option 1:1 of A]"
        );
    }
}

#[test]
fn a_script_with_options_of_the_database_knows_itself() {
    let script = "%env X=1;\n%import SELF;\ncode\n";
    for version in [V1, V2] {
        assert_eq!(
            show(version, script, &[("SELF", script)]),
            "code=\"\\n\\ncode\\n\" jvm=[] jars=[] requests=[SELF]"
        );
    }
}

#[test]
fn the_example_of_the_crate() {
    let script = b"%scriptclass com.acme.Main;\n%jar /buckets/a.jar:/buckets/b.jar;\nclass Main {}\n";
    let resolved = crate::resolve(script, crate::Settings::new(V2), &mut crate::NoScripts).unwrap();
    assert_eq!(resolved.code, b"\n\nclass Main {}\n".as_slice());
    assert_eq!(resolved.jars.len(), 2);
}
