//! Known complaints about the first parser, each as it is and as the second parser mends it.

use super::show;
use crate::Version::{V1, V2};

#[track_caller]
fn check(script: &str, v1: &str, v2: &str) {
    assert_eq!(show(V1, script, &[]), v1, "first parser");
    assert_eq!(show(V2, script, &[]), v2, "second parser");
}

#[test]
fn two_options_on_one_line() {
    // Jars are sought last, so the import behind one is not seen and breaks compilation.
    check(
        "%jar a.jar; %jvmoption -Xms1g;\ncode",
        "code=\" %jvmoption -Xms1g;\\ncode\" jvm=[] jars=[a.jar] warnings=[behind_code 1:13]",
        "code=\" \\ncode\" jvm=[-Xms1g] jars=[a.jar]",
    );
    // In the order in which the first parser works, it succeeds.
    check(
        "%jvmoption -Xms1g; %jar a.jar;\ncode",
        "code=\" \\ncode\" jvm=[-Xms1g] jars=[a.jar]",
        "code=\" \\ncode\" jvm=[-Xms1g] jars=[a.jar]",
    );
}

#[test]
fn a_jvm_option_with_a_blank() {
    check(
        "%jvmoption -Dhttp.agent=\"ABC DEF\";",
        "code=\"\" jvm=[-Dhttp.agent=\"ABC|DEF\"] jars=[]",
        "code=\"\" jvm=[-Dhttp.agent=\"ABC|DEF\"] jars=[]",
    );
    check(
        "%jvmoption -Dhttp.agent=ABC\\ DEF;",
        "code=\"\" jvm=[-Dhttp.agent=ABC\\|DEF] jars=[]",
        "code=\"\" jvm=[-Dhttp.agent=ABC DEF] jars=[]",
    );
}

#[test]
fn the_order_of_jars() {
    check(
        "%jar z.jar:b.jar;\n%jar a.jar:z.jar;",
        "code=\"\\n\" jvm=[] jars=[a.jar|b.jar|z.jar]",
        "code=\"\\n\" jvm=[] jars=[z.jar|b.jar|a.jar|z.jar]",
    );
}

#[test]
fn a_backslash_in_a_value() {
    check(
        "%jar C\\\\x;",
        "code=\"\" jvm=[] jars=[C\\\\x]",
        "code=\"\" jvm=[] jars=[C\\x]",
    );
}

#[test]
fn the_line_of_a_fault_is_told() {
    check(
        "code\n  %jar x\n",
        "HW-U003 no_terminator 2:3 @7 [1613 1607] `%jar` is not closed: its line ends before a `;`",
        "HW-U001 syntax 2:9 @13 [1623 1621] `%jar` is not closed: the line ends before a `;`",
    );
}

#[test]
fn a_repeated_script_class() {
    let script = "%scriptclass A;\n%scriptclass B;\n";
    check(
        script,
        "code=\"\\n%scriptclass B;\\n\" jvm=[-Dexasol.scriptclass=A] jars=[]",
        "code=\"\\n\\n\" jvm=[-Dexasol.scriptclass=A] jars=[] warnings=[repeated_scriptclass 2:1]",
    );
    let mut settings = crate::Settings::new(V2);
    settings.strict_script_class = true;
    assert_eq!(
        super::show_with(settings, script, &[]),
        "HW-U005 repeated_scriptclass 2:1 @16 [1628] the script has `%scriptclass` 2 times"
    );
}

#[test]
fn lines_that_begin_with_a_percent_sign() {
    check(
        "x = a\n  % b;\n",
        "code=\"x = a\\n  % b;\\n\" jvm=[] jars=[]",
        "HW-U001 syntax 2:4 @9 [1623 1621] no key behind `%`: unexpected whitespace",
    );
    check(
        "%matplotlib inline\n",
        "code=\"%matplotlib inline\\n\" jvm=[] jars=[]",
        "HW-U001 syntax 1:19 @18 [1623 1621] `%matplotlib` is not closed: the line ends before a `;`",
    );
}
