#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser as _};
use expect_test::{Expect, expect};

use super::place::{is_url, names_a_file};
use super::{Command, CommandLine, duration, or_rocket};
use crate::tests::Scene;

#[test]
fn the_command_line_holds_together() {
    CommandLine::command().debug_assert();
}

/// Every verb, with the path of words that leads to it.
fn verbs(command: &clap::Command, path: &str) -> Vec<(String, clap::Command)> {
    let inner: Vec<_> = command
        .get_subcommands()
        .filter(|inner| inner.get_name() != "help")
        .collect();
    let here = (inner.is_empty() || path == "worker").then(|| (path.to_owned(), command.clone()));
    let below = inner
        .into_iter()
        .flat_map(|inner| verbs(inner, format!("{path} {}", inner.get_name()).trim()));
    here.into_iter().chain(below).collect()
}

#[test]
fn every_verb_says_what_it_does_and_shows_two_examples() {
    for (path, verb) in verbs(&CommandLine::command(), "") {
        assert!(verb.get_about().is_some(), "{path}");
        if verb.is_hide_set() {
            continue;
        }
        let examples = verb.get_after_long_help().map(ToString::to_string).unwrap_or_default();
        let begin = format!("headwater {path}");
        let count = examples.lines().filter(|line| line.contains(begin.trim_end())).count();
        assert!(examples.starts_with("Examples:\n") && count >= 2, "{path}: {examples}");
    }
}

#[test]
fn every_argument_is_explained() {
    for (path, verb) in verbs(&CommandLine::command(), "") {
        for argument in verb.get_arguments() {
            assert!(argument.get_help().is_some(), "{path} {}", argument.get_id());
        }
    }
}

#[track_caller]
fn check_help(words: &[&str], expect: Expect) {
    let help = Scene::new().play(words).output;
    // Blank lines of a list are indented; an editor would take that away.
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    expect.assert_eq(&format!("{}\n", lines.join("\n")));
}

#[test]
fn the_main_help() {
    check_help(
        &["-h"],
        expect![[r#"
        Ask Parquet files and Delta tables in SQL and in user funnels; one binary, no set-up

        Usage: headwater [OPTIONS] [COMMAND]

        Commands:
          demo         Show headwater at work on real data
          up           Run the server: HTTP API, scheduler and local workers [alias: serve]
          sql          Run SQL over tables and files [alias: query]
          table        Register, list, show and drop tables [alias: tables]
          funnel       Ask which groups went through a sequence of events
          script       Options in the text of UDF scripts [alias: scripts]
          job          List, follow, cancel and export jobs [alias: jobs]
          task         The tasks that jobs are cut into
          worker       Run a worker process, or list the workers
          token        Tokens for a server that others can reach
          event        What happened, in order [alias: events]
          config       Settings; backup and restore of the store
          doctor       Check store, disk and settings; each failure with its remedy
          completions  Print a completion script for a shell
          docs         Documentation that is part of the program
          explain      Tell all about an error code; works offline
          help         Print this message or the help of the given subcommand(s)

        Options:
          -h, --help     Print help (see more with '--help')
          -V, --version  Print version

        Global options:
              --server <URL>       Server to talk to, http:// or https:// [env: HEADWATER_SERVER; its token:
                                   HEADWATER_TOKEN]
              --data-dir <DIR>     Folder of everything local [env: HEADWATER_DATA_DIR] [default:
                                   ./.headwater]
              --config <FILE>      Read this configuration file instead of looking for some
              --no-config          Read no configuration file
              --set <KEY=VALUE>    A setting that wins over environment and files; may be repeated
              --format <FORMAT>    Form of the answer [default: table on a terminal; piped: csv for rows,
                                   json for a document, jsonl for a list] [possible values: table, json,
                                   jsonl, csv, markdown, arrow, parquet, svg, html]
          -q, --quiet              Print ids or names only, one a line, and no remarks
              --color <WHEN>       When to colour [env: NO_COLOR, CLICOLOR_FORCE] [default: auto] [possible
                                   values: auto, always, never]
          -y, --yes                Do not ask before something is lost
              --log-level <LEVEL>  Log to standard error: error, warn, info, debug or trace

        Try `headwater demo` for a first result, `headwater help COMMAND` for the manual of a command,
        `headwater help exit-codes` for what a command's exit code tells.
    "#]],
    );
}

#[test]
fn the_help_of_a_verb_is_its_manual() {
    check_help(
        &["help", "table", "drop"],
        expect![[r#"
            Take a table out of the catalog

            Files that were registered stay where they are. A table that was used moments ago, or that views
            read, is not dropped without --force.

            Usage: headwater table drop [OPTIONS] <NAME>

            Arguments:
              <NAME>
                      Name of the table

            Options:
                  --force
                      Also when it was used moments ago, or views read it

              -h, --help
                      Print help (see a summary with '-h')

            Global options:
                  --server <URL>
                      Server to talk to, http:// or https:// [env: HEADWATER_SERVER; its token: HEADWATER_TOKEN]

                  --data-dir <DIR>
                      Folder of everything local [env: HEADWATER_DATA_DIR] [default: ./.headwater]

                  --config <FILE>
                      Read this configuration file instead of looking for some

                  --no-config
                      Read no configuration file

                  --set <KEY=VALUE>
                      A setting that wins over environment and files; may be repeated

                  --format <FORMAT>
                      Form of the answer [default: table on a terminal; piped: csv for rows, json for a
                      document, jsonl for a list]

                      Possible values:
                      - table:    For people
                      - json:     The API's own document
                      - jsonl:    One document or row a line
                      - csv:      RFC 4180 with a header line
                      - markdown: Rows of `sql` as a Markdown table
                      - arrow:    Rows of `sql` as an Arrow IPC stream
                      - parquet:  Rows of `sql` as a Parquet file
                      - svg:      A funnel's result as a drawing: `funnel run` and `job show`
                      - html:     A funnel's result as a page with drawing and figures

              -q, --quiet
                      Print ids or names only, one a line, and no remarks

                  --color <WHEN>
                      When to colour [env: NO_COLOR, CLICOLOR_FORCE]

                      Possible values:
                      - auto:   On a terminal
                      - always: Always
                      - never:  Never
          
                      [default: auto]

              -y, --yes
                      Do not ask before something is lost

                  --log-level <LEVEL>
                      Log to standard error: error, warn, info, debug or trace

            Examples:
              headwater table drop flights
              headwater table drop flights --force --yes
        "#]],
    );
    check_help(
        &["help", "worker"],
        expect![[r#"
            Run a worker process, or list the workers

            Takes tasks from the shared store until Ctrl-C or SIGTERM, then ends what it has begun.

            Usage: headwater worker [OPTIONS]
                   headwater worker <COMMAND>

            Commands:
              list   List the workers and what they have to do [alias: ls]
              drain  Have a worker end what it has begun and take no new tasks
              help   Print this message or the help of the given subcommand(s)

            Options:
                  --slots <COUNT>
                      Tasks to take at a time [default: as configured]

                  --label <LABEL>
                      A label to carry; may be repeated

              -h, --help
                      Print help (see a summary with '-h')

            Global options:
                  --server <URL>
                      Server to talk to, http:// or https:// [env: HEADWATER_SERVER; its token: HEADWATER_TOKEN]

                  --data-dir <DIR>
                      Folder of everything local [env: HEADWATER_DATA_DIR] [default: ./.headwater]

                  --config <FILE>
                      Read this configuration file instead of looking for some

                  --no-config
                      Read no configuration file

                  --set <KEY=VALUE>
                      A setting that wins over environment and files; may be repeated

                  --format <FORMAT>
                      Form of the answer [default: table on a terminal; piped: csv for rows, json for a
                      document, jsonl for a list]

                      Possible values:
                      - table:    For people
                      - json:     The API's own document
                      - jsonl:    One document or row a line
                      - csv:      RFC 4180 with a header line
                      - markdown: Rows of `sql` as a Markdown table
                      - arrow:    Rows of `sql` as an Arrow IPC stream
                      - parquet:  Rows of `sql` as a Parquet file
                      - svg:      A funnel's result as a drawing: `funnel run` and `job show`
                      - html:     A funnel's result as a page with drawing and figures

              -q, --quiet
                      Print ids or names only, one a line, and no remarks

                  --color <WHEN>
                      When to colour [env: NO_COLOR, CLICOLOR_FORCE]

                      Possible values:
                      - auto:   On a terminal
                      - always: Always
                      - never:  Never
          
                      [default: auto]

              -y, --yes
                      Do not ask before something is lost

                  --log-level <LEVEL>
                      Log to standard error: error, warn, info, debug or trace

            Examples:
              headwater worker --slots 4
              headwater worker list
        "#]],
    );
}

#[test]
fn addresses_to_listen_on() {
    let listen = |text: &str| match CommandLine::try_parse_from(["headwater", "up", "--listen", text])
        .map(|line| line.command)
    {
        Ok(Some(Command::Up(args))) => args.listen[0].to_string(),
        _ => "refused".to_owned(),
    };
    let texts = [
        "127.0.0.1:7080",
        ":0",
        "7080",
        "localhost:1",
        "[::1]:9",
        "0.0.0.0:80",
        "box:80",
        "",
        "1.2.3.4",
    ];
    expect!["127.0.0.1:7080 127.0.0.1:0 127.0.0.1:7080 127.0.0.1:1 [::1]:9 0.0.0.0:80 refused refused refused"]
        .assert_eq(&texts.map(listen).join(" "));
}

#[test]
fn durations_have_units() {
    let seconds = |text: &str| duration::parse(text).map_err(|_| ()).map(|time| time.as_secs_f64());
    assert_eq!(
        ["90s", "1.5h", "250ms", "2 min", "1d"].map(seconds),
        [Ok(90.0), Ok(5400.0), Ok(0.25), Ok(120.0), Ok(86400.0)]
    );
    assert_eq!(
        ["", "s", "10", "-1s", "1e999s", "5 weeks", "1..2s"].map(seconds),
        [Err(()); 7]
    );
}

#[test]
fn places() {
    assert_eq!(
        ["s3://a/b", "http://x", "file:///x", "c://x", "a/b", "://x", "x y://z"].map(is_url),
        [true, true, true, false, false, false, false]
    );
    assert_eq!(
        ["events", "a.b", "a/b", "x*", "x.parquet", "out.csv", "."].map(names_a_file),
        [false, false, true, true, true, true, true]
    );
}

#[test]
fn settings_are_key_and_value() {
    let set = |text: &str| {
        CommandLine::try_parse_from(["headwater", "up", "--set", text])
            .map(|line| line.global.set[0].clone())
            .ok()
    };
    assert_eq!(set("a.b=c=d"), Some(("a.b".to_owned(), "c=d".to_owned())));
    assert_eq!((set("a"), set("=b")), (None, None));
}

#[test]
fn funnel_rockets_commands_are_ours() {
    let check = |line: &str, ours: &str| {
        let parsed = |line: &str| {
            let words: Vec<OsString> = std::iter::once("headwater")
                .chain(line.split(' '))
                .map(OsString::from)
                .collect();
            let parsed = CommandLine::try_parse_from(&words).or_else(|refused| or_rocket(refused, &words));
            let settled = parsed.unwrap().settled();
            let global = settled.global;
            format!("{:?} yes={} {:?}", settled.command, global.yes, global.log_level)
        };
        assert_eq!(parsed(line), parsed(ours), "{line}");
    };
    check(
        "register events /data user ts --pattern *.pq --validation FIRST_LAST --skip-uniques",
        "table register events /data --group user --time ts --pattern *.pq --validation first_last --skip-uniques",
    );
    check("list", "table list");
    check("info events --full", "table show events --full");
    check("run events --empty", "funnel run events --empty");
    check("run events -s {}", "funnel run events --string {}");
    check("run events -f -", "funnel run events --file -");
    check("validate events -e", "funnel validate events --empty");
    check("repartition events --parts 4", "table repartition events --parts 4");
    check("config", "config show");
    check("--format json config", "config show --format json");
    check("list --loglevel WARNING", "table list --log-level warn");
    check("list --loglevel critical", "table list --log-level error");
    check("runs events", "table runs events");
    check("cancel 1731000000-8c0f12ab", "job cancel 8c0f12ab");
    check("cancel 8c0f12ab", "job cancel 8c0f12ab");
    let uuid = "01931f3e-7a5b-7000-8000-00008c0f12ab";
    check(&format!("cancel {uuid}"), &format!("job cancel {uuid}"));
    let words = ["headwater", "unregister", "events", "--force"].map(OsString::from);
    let refused = CommandLine::try_parse_from(&words).unwrap_err();
    let line = or_rocket(refused, &words).unwrap();
    assert!(line.global.yes);
    let ours = r#"Some(Table(Drop { name: "events", force: true, may_be_absent: true }))"#;
    assert_eq!(format!("{:?}", line.command), ours);
    // What is half of a command of ours stays that.
    let words = ["headwater", "table"].map(OsString::from);
    let refused = CommandLine::try_parse_from(&words).unwrap_err();
    let kind = refused.kind();
    assert_eq!(or_rocket(refused, &words).unwrap_err().kind(), kind);
}
