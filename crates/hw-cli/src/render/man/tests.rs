#![allow(clippy::unwrap_used)]
use clap::{Arg, ArgAction, Command, CommandFactory as _};
use expect_test::expect;

use super::page;
use crate::args::{CommandLine, EXIT_CODES};

#[test]
fn a_page_tells_of_every_verb_once() {
    let count = Arg::new("count")
        .short('n')
        .long("limit")
        .value_name("COUNT")
        .help("Stop after so many");
    let all = Arg::new("all")
        .long("all")
        .action(ArgAction::SetTrue)
        .help("Every one of them");
    let list = Command::new("list")
        .about("List them")
        .args([count, all])
        .after_long_help("Examples:\n  pond list\n  pond list -n 3");
    let noun = Command::new("frog").subcommand_required(true).subcommand(list);
    let hidden = Command::new("secret").hide(true);
    let mut command = Command::new("pond")
        .about("Asks a pond")
        .long_about("Asks a pond.\n\n.It answers with \\ signs.")
        .disable_help_subcommand(true)
        .subcommands([noun, hidden]);
    expect![[r#"
        .TH POND 1 "" "pond 1.0" ""
        .SH NAME
        pond \- Asks a pond
        .SH SYNOPSIS
        \fBpond\fR [\fIOPTIONS\fR] \fICOMMAND\fR
        .SH DESCRIPTION
        .PP
        Asks a pond.
        .PP
        \&.It answers with \e signs.
        .SH OPTIONS
        .PP
        These may be given with every command.
        .TP
        \fB\-h\fR, \fB\-\-help\fR
        Print help (see a summary with '\-h')
        .SH COMMANDS
        .SS "pond frog list"
        .PP
        \fBpond frog list [OPTIONS]\fR
        .PP
        List them
        .TP
        \fB\-n\fR, \fB\-\-limit\fR \fICOUNT\fR
        Stop after so many
        .TP
        \fB\-\-all\fR
        Every one of them
        .PP
        .nf
        Examples:
          pond list
          pond list \-n 3
        .fi
        .SH EXIT STATUS
        .PP
        .nf
            0  done
        .fi
    "#]]
    .assert_eq(&page(&mut command, "1.0", "    0  done"));
}

#[test]
fn our_own_page_is_whole_and_plain() {
    let page = page(&mut CommandLine::command(), "0", EXIT_CODES);
    for verb in [
        "funnel run",
        "table register",
        "sql",
        "job wait",
        "config show",
        "completions",
    ] {
        assert!(page.contains(&format!(".SS \"headwater {verb}\"")), "{verb}");
    }
    let requests = page.lines().filter(|line| line.starts_with(['.', '\'']));
    for request in requests {
        let name = request.split(' ').next().unwrap();
        assert!(
            [".TH", ".SH", ".SS", ".PP", ".TP", ".nf", ".fi"].contains(&name),
            "{request}"
        );
    }
    assert!(
        !page.contains("complete\\-words"),
        "what is hidden from the help is hidden here"
    );
    assert!(!page.contains('\u{1b}'), "no colours");
}
