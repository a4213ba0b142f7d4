use expect_test::{Expect, expect};

use super::Setup;

#[track_caller]
fn check(text: &str, faults: Expect) {
    faults.assert_eq(&Setup::new().file("headwater.toml", text).faults());
}

#[test]
fn every_fault_is_told_at_its_place() {
    check(
        r#"
thread = 4
[htpp]
listen = "127.0.0.1:1"
[http]
lisen = "127.0.0.1:1"
body_limit = 16
requests_max = "many"
listen = "nowhere"
[jobs]
timeout = 30
keep_results = "0s"
[retry]
jitter = 1.5
counted_max = 0
[log]
level = "inof"
[cache]
results = "yes"
"#,
        expect![[r#"
            2:1 HW-C001 unknown setting `thread` in `headwater.toml` (did you mean `threads`?)
            3:2 HW-C001 unknown setting `htpp` in `headwater.toml` (did you mean `http`?)
            6:1 HW-C001 unknown setting `http.lisen` in `headwater.toml` (did you mean `http.listen`?)
            7:14 HW-C003 `http.body_limit` needs a unit, in `headwater.toml` (write `"16MiB"`)
            8:16 HW-C002 `http.requests_max` must be a whole number from 1 to 1000000, found `many` in `headwater.toml` (write for instance `8`)
            9:10 HW-C002 `http.listen` must be an address and a port, found `nowhere` in `headwater.toml` (write for instance `"127.0.0.1:7080"`)
            11:11 HW-C003 `jobs.timeout` needs a unit, in `headwater.toml` (write `"30s"`)
            12:16 HW-C002 `jobs.keep_results` must be a time with its unit, found `0s` in `headwater.toml` (write for instance `"30s"`, `"5min"` or `"7d"`)
            14:10 HW-C002 `retry.jitter` must be a number from 0 to 1, found `1.5` in `headwater.toml` (write for instance `0.1`)
            15:15 HW-C002 `retry.counted_max` must be a whole number from 1 to 1000, found `0` in `headwater.toml` (write for instance `8`)
            17:9 HW-C002 `log.level` must be one of off, error, warn, info, debug, trace, found `inof` in `headwater.toml` (did you mean `info`?)
            19:11 HW-C002 `cache.results` must be true or false, found `yes` in `headwater.toml` (write `true` or `false`)"#]],
    );
}

#[test]
fn both_files_tell_their_faults() {
    let setup = Setup::new()
        .file("headwater.toml", "a = 1")
        .file("home/.config/headwater/config.toml", "b = 2");
    expect![[r#"
        1:1 HW-C001 unknown setting `a` in `headwater.toml` (`headwater config show` lists all settings)
        1:1 HW-C001 unknown setting `b` in `home/.config/headwater/config.toml` (`headwater config show` lists all settings)"#]]
    .assert_eq(&setup.faults());
}

#[test]
fn what_is_not_toml_has_a_place() {
    check(
        "threads = \n[http\nlisten = 'x",
        expect![[r#"
        1:11 HW-C004 `headwater.toml` is not TOML: string values must be quoted, expected literal string (correct the file there; texts stand in double quotes)
        2:6 HW-C004 `headwater.toml` is not TOML: unclosed table, expected `]` (correct the file there; texts stand in double quotes)"#]],
    );
}

#[test]
fn keys_with_this_last_part_are_proposed_unless_there_are_many() {
    check(
        "root = \"x\"",
        expect![[r#"1:1 HW-C001 unknown setting `root` in `headwater.toml` (did you mean `files.root`?)"#]],
    );
    check(
        "listen = \"127.0.0.1:0\"",
        expect![
            "1:1 HW-C001 unknown setting `listen` in `headwater.toml` (did you mean `http.listen` or `metrics.listen`?)"
        ],
    );
}

#[test]
fn sections_are_no_values_and_values_no_sections() {
    check(
        "http = 3\n[threads]\na = 1\n[cache.results]\nb = 1",
        expect![[r#"
        1:1 HW-C001 unknown setting `http` in `headwater.toml` (did you mean `[http]`?)
        2:1 HW-C002 `threads` must be a whole number from 1 to 4096, found `a table` in `headwater.toml` (write for instance `8`)
        4:1 HW-C002 `cache.results` must be true or false, found `a table` in `headwater.toml` (write `true` or `false`)"#]],
    );
}

#[test]
fn quoted_keys_with_dots_are_names_of_their_own() {
    check(
        "\"http.listen\" = \"127.0.0.1:0\"",
        expect![[r#"1:1 HW-C001 unknown setting `"http.listen"` in `headwater.toml` (did you mean `http.listen`?)"#]],
    );
}

#[test]
fn columns_count_characters() {
    check(
        "threads = 1\n\"ü\" = 1 # ü\n[http]\nhosts = [\"ä\", 3]",
        expect![[r#"
            2:1 HW-C001 unknown setting `ü` in `headwater.toml` (`headwater config show` lists all settings)
            4:9 HW-C002 `http.hosts` must be a list of texts, found `a list` in `headwater.toml` (write for instance `["a", "b"]`)"#]],
    );
}

#[test]
fn numbers_come_in_all_forms() {
    let setup = Setup::new().file(
        "headwater.toml",
        "threads = 0x1_0\n[retry]\njitter = 1\n[memory]\nlimit = \" 12.5 % \"",
    );
    assert_eq!(setup.show("threads"), "16 from headwater.toml");
    assert_eq!(setup.show("retry.jitter"), "1 from headwater.toml");
    assert_eq!(setup.load().unwrap().config.memory.limit.of(800), 100);
}
