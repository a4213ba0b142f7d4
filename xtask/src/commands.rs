//! What `cargo xtask` can do. A command that needs a crate of the workspace starts a program of that crate, so that this one stays small.

use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use crate::{lock, tidy};

#[cfg(test)]
mod tests;

pub(crate) struct Command {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    /// Gets the arguments after the command's name; an `Err` is the line to print before ending with status 1.
    pub(crate) run: fn(&[String]) -> Result<(), String>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "check",
        arguments: "[PART...]",
        about: "all checks, the same as ./test",
        run: check,
    },
    Command {
        name: "tidy",
        arguments: "[--bless]",
        about: "the rules no other tool knows; --bless shortens the ratchet list",
        run: tidy,
    },
    Command {
        name: "deps",
        arguments: "",
        about: "one arrow, parquet, object_store and DataFusion in the lock file",
        run: deps,
    },
    Command {
        name: "bless",
        arguments: "[-p CRATE]",
        about: "run the tests and re-record what they expect; review the diff",
        run: bless,
    },
    Command {
        name: "openapi",
        arguments: "",
        about: "re-record docs/reference/openapi.json",
        run: openapi,
    },
    Command {
        name: "sim",
        arguments: "[--seeds N]",
        about: "run the deterministic simulation",
        run: simulate,
    },
    Command {
        name: "bench",
        arguments: "[NAME...]",
        about: "run the benchmarks, optimised",
        run: bench,
    },
];

pub(crate) fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

/// The commands, one a line, for people.
pub(crate) fn list() -> String {
    let mut text = String::from("usage: cargo xtask COMMAND\n");
    for Command {
        name, arguments, about, ..
    } in COMMANDS
    {
        text += &format!("  {:20} {about}\n", format!("{name} {arguments}"));
    }
    text
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_path_buf)
        .unwrap_or_default()
}

fn check(arguments: &[String]) -> Result<(), String> {
    run(Process::new("bash").arg("test").args(arguments))
}

fn tidy(arguments: &[String]) -> Result<(), String> {
    match arguments {
        [] => tidy::run(&root()),
        [flag] if flag == "--bless" => tidy::bless(&root()),
        _ => Err("usage: cargo xtask tidy [--bless]".to_owned()),
    }
}

fn deps(_: &[String]) -> Result<(), String> {
    lock::run(&root())
}

fn bless(arguments: &[String]) -> Result<(), String> {
    let mut tests = test_runner();
    if arguments.is_empty() {
        tests.arg("--workspace");
    }
    run(recording(&mut tests).args(arguments))
}

fn openapi(_: &[String]) -> Result<(), String> {
    run(recording(&mut test_runner()).args(["--workspace", "--test", "it", "openapi"]))
}

fn simulate(arguments: &[String]) -> Result<(), String> {
    run(Process::new("cargo")
        .args(["run", "--quiet", "--package", "hw-sim", "--"])
        .args(arguments))
}

fn bench(arguments: &[String]) -> Result<(), String> {
    run(Process::new("cargo")
        .args(["run", "--profile", "quick", "--package", "hw-bench", "--"])
        .args(arguments))
}

/// nextest where it is installed, else cargo's own runner.
fn test_runner() -> Process {
    let nextest = Process::new("cargo")
        .args(["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let mut process = Process::new("cargo");
    if nextest {
        process.args(["nextest", "run", "--no-fail-fast"])
    } else {
        process.args(["test", "--no-fail-fast"])
    };
    process
}

/// Makes expect-test and insta write what they saw instead of comparing.
fn recording(process: &mut Process) -> &mut Process {
    process
        .env("UPDATE_EXPECT", "1")
        .env("INSTA_UPDATE", "always")
        .env("INSTA_FORCE_PASS", "1")
}

fn run(process: &mut Process) -> Result<(), String> {
    let program = process.get_program().to_string_lossy().into_owned();
    let status = process
        .current_dir(root())
        .status()
        .map_err(|error| format!("`{program}` did not start: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{program}` ended with {status}"))
    }
}
