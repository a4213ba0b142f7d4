//! What a virtual machine is started with.

use crate::Version::{V1, V2};
use crate::{JarProblem, Launch, Machine, NoScripts, Settings, launch, resolve};

const MIB: u64 = 1 << 20;

fn start(script: &str, memory_mib: u64) -> Launch {
    let resolved = resolve(script.as_bytes(), Settings::new(V2), &mut NoScripts).unwrap();
    let machine = Machine {
        runtime_jar: b"/rt.jar",
        memory_limit: memory_mib * MIB,
        script_name: b"MY.SCRIPT",
    };
    launch(&resolved, &machine, |_| Ok(())).unwrap()
}

fn options(script: &str, memory_mib: u64) -> String {
    let launch = start(script, memory_mib);
    let texts = launch
        .jvm_options
        .iter()
        .map(|option| String::from_utf8_lossy(option).into_owned());
    texts.collect::<Vec<_>>().join(" ")
}

#[test]
fn defaults_give_way_to_the_script() {
    let rest = "-XX:ErrorFile=/tmp/hs_err_pid%p.log -Djava.class.path=/rt.jar";
    let table = [
        ("", 1024, format!("-Xms128m -Xmx640m -Xss512k {rest} -XX:+UseSerialGC")),
        (
            "\n \t\r",
            64,
            format!("-Xms128m -Xmx128m -Xss512k {rest} -XX:+UseSerialGC"),
        ),
        (
            "",
            100_000,
            format!("-Xms128m -Xmx1024m -Xss512k {rest} -XX:+UseSerialGC"),
        ),
        (
            "%jvmoption -Xmx2g;",
            1024,
            format!("-Xmx2g -Xms128m -Xss512k {rest} -XX:+UseSerialGC"),
        ),
        // An option counts for the first pattern only.
        (
            "%jvmoption -Da=-Xss-Xms;",
            1024,
            format!("-Da=-Xss-Xms -Xmx640m -Xss512k {rest} -XX:+UseSerialGC"),
        ),
        (
            "%jvmoption -XX:+UseG1GC -Xss1m;",
            1024,
            format!("-XX:+UseG1GC -Xss1m -Xms128m -Xmx640m {rest}"),
        ),
    ];
    for (script, memory_mib, expected) in table {
        assert_eq!(options(script, memory_mib), expected, "{script:?}");
    }
}

#[test]
fn code_is_compiled_into_the_first_folder_of_the_class_path() {
    let launch = start("%jar a.jar:b.jar;\nclass X {}", 1024);
    assert_eq!(launch.class_path, b"/tmp:/rt.jar:a.jar:b.jar");
    assert_eq!(launch.source.unwrap(), b"package com.exasol;\r\n\nclass X {}");
    assert_eq!(launch.script_class, b"com.exasol.MY_SCRIPT");
    let launch = start("%jar a.jar;%scriptclass com.A;\n", 1024);
    assert_eq!(launch.class_path, b"/rt.jar:a.jar");
    assert_eq!(launch.source, None);
    assert_eq!(launch.script_class, b"com.A");
    assert_eq!(launch.jvm_options[0], b"-Dexasol.scriptclass=com.A");
}

#[test]
fn every_jar_that_cannot_be_used_is_told_at_its_option() {
    let script = b"%jar gone.jar:fine.jar;\n\n  %jar dir:locked.jar;\n";
    for version in [V1, V2] {
        let resolved = resolve(script, Settings::new(version), &mut NoScripts).unwrap();
        let machine = Machine {
            runtime_jar: b"rt.jar",
            memory_limit: 0,
            script_name: b"S",
        };
        let faults = launch(&resolved, &machine, |path| match path {
            b"gone.jar" => Err(JarProblem::Missing),
            b"locked.jar" => Err(JarProblem::NoAccess),
            b"dir" => Err(JarProblem::NotAFile),
            _ => Ok(()),
        })
        .unwrap_err();
        let mut shown: Vec<_> = faults
            .faults
            .iter()
            .map(|fault| {
                format!(
                    "{}:{} {:?} {fault}",
                    fault.place.line,
                    fault.place.column,
                    fault.aliases()
                )
            })
            .collect();
        shown.sort();
        assert_eq!(
            shown,
            [
                r#"1:1 ["F-UDF-CL-SL-JAVA-1061"] the jar `gone.jar` does not exist"#,
                r#"3:3 ["F-UDF-CL-SL-JAVA-1062"] the jar `locked.jar` may not be read"#,
                r#"3:3 ["F-UDF-CL-SL-JAVA-1063"] the jar `dir` is no regular file"#,
            ]
        );
    }
}
