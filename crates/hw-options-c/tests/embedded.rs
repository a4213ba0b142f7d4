//! A C program is compiled against header and static library, and run.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

use std::path::{Path, PathBuf};
use std::process::Command;

const EXPECTED: &str = "\
option 3..16 2:2
 key key
 value va;lue
option 16..25 2:15
 key other
 value 1
warning 3:4: `%jar` has no effect: something else stands before it in its line
extracted a.jar
left  code
resolve calls 1
class M
code 

imported

main

jvm -Dexasol.scriptclass=M
jvm -Da
jvm -Db
jar a.jar
request A
resolve calls 1
fault 1:1 @0
 code HW-U006
 reference F-UDF-CL-SL-JAVA-1616
 message `B` cannot be imported: no such script
 origin 
class 
code 
resolve calls 0
fault 1:1 @0
 code HW-U007
 reference F-UDF-CL-SL-JAVA-1631
 message scripts cannot be imported: no provider of scripts is set
 origin 
class 
code 
resolve calls 0
fault 1:16 @15
 code HW-U005
 reference F-UDF-CL-SL-JAVA-1628
 message the script has `%scriptclass` 2 times
 origin 
class 
code 
neither 1
nothing 0 0
empty 0 0
";

/// The static library of this build: beside the test's own folder.
fn library() -> Option<PathBuf> {
    let test = std::env::current_exe().unwrap();
    let folders = test.ancestors().skip(1).take(2);
    let files = folders.flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    let is_library = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with("libhw_options_c") && name.ends_with(".a")
    };
    let newest = |path: &PathBuf| path.metadata().and_then(|facts| facts.modified()).ok();
    files.map(|file| file.path()).filter(is_library).max_by_key(newest)
}

#[test]
fn a_program_in_c_finds_what_the_header_says() {
    if Command::new("cc").arg("--version").output().is_err() {
        println!("skipped: there is no C compiler `cc` here");
        return;
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = library().unwrap_or_else(|| panic!("the static library was not built"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("embedded");
    let compiled = Command::new("cc")
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&program)
        .arg(here.join("tests/embedded.c"))
        .arg("-I")
        .arg(here.join("include"))
        .arg(&library)
        .args(["-lpthread", "-ldl", "-lm"])
        .output()
        .unwrap();
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    let run = Command::new(&program).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    assert_eq!(String::from_utf8_lossy(&run.stdout), EXPECTED);
}
