//! Consoles in Markdown: each `$ command` of a ```` ```console ```` block is run, and what follows it is its output.
//!
//! In the expected text `...` stands for anything on its line, and a line that is only `...` for any number of lines.

use std::process::Command;

use crate::harness::{Sandbox, program};

/// A command with the output that a page promises.
#[derive(Debug)]
pub struct Step {
    pub line: usize,
    pub command: String,
    pub expected: String,
}

/// The commands of all console blocks of a page.
pub fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for (number, line) in page.lines().enumerate() {
        match (inside, line) {
            (false, "```console") => inside = true,
            (true, "```") => inside = false,
            (true, line) => match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => steps.push(Step {
                    line: number + 1,
                    command: command.to_owned(),
                    expected: String::new(),
                }),
                (None, Some(step)) => step.expected += &format!("{line}\n"),
                (None, None) => panic!("line {}: output without a command", number + 1),
            },
            (false, _) => {}
        }
    }
    steps
}

/// Runs the steps one after the other in the sandbox, with `headwater` on the path.
pub fn play(sandbox: &Sandbox, steps: &[Step]) {
    let path = format!(
        "{}:{}",
        program().parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    for step in steps {
        let output = Command::new("bash")
            .args(["-c", &step.command])
            .current_dir(sandbox.path())
            .env("PATH", &path)
            .env("HOME", sandbox.path())
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            matches(&step.expected, &shown),
            "line {}: $ {}\nexpected:\n{}\ngot:\n{shown}\nstderr:\n{stderr}",
            step.line,
            step.command,
            step.expected
        );
    }
}

fn matches(expected: &str, shown: &str) -> bool {
    let expected: Vec<&str> = expected.trim_end().lines().collect();
    let shown: Vec<&str> = shown.trim_end().lines().collect();
    lines_match(&expected, &shown)
}

fn lines_match(expected: &[&str], shown: &[&str]) -> bool {
    match (expected.split_first(), shown.split_first()) {
        (None, None) => true,
        (Some((&"...", rest)), _) => (0..=shown.len()).any(|skipped| lines_match(rest, &shown[skipped..])),
        (Some((line, rest)), Some((found, others))) => line_matches(line, found) && lines_match(rest, others),
        _ => false,
    }
}

fn line_matches(expected: &str, found: &str) -> bool {
    let pieces: Vec<&str> = expected.trim_end().split("...").collect();
    let found = found.trim_end();
    let [first, middle @ .., last] = pieces.as_slice() else {
        return expected.trim_end() == found;
    };
    let Some(mut rest) = found.strip_prefix(first) else {
        return false;
    };
    for piece in middle {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn expected_text_may_leave_things_open() {
    assert!(matches("a\n...\nd", "a\nb\nc\nd"));
    assert!(matches("took ... ms", "took 12 ms"));
    assert!(!matches("took ... ms", "took 12 s"));
    assert!(!matches("a", "a\nb"));
    assert!(matches("", ""));
}
