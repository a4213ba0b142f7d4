//! `docs/reference/cli.md` and `--help` tell of the same verbs and options.

use std::collections::{BTreeMap, BTreeSet};

use super::page;
use crate::harness::Sandbox;

const PAGE: &str = "docs/reference/cli.md";
const GLOBAL: &str = "Global options";

/// Long options by verb; those of every verb under [`GLOBAL`].
type Commands = BTreeMap<String, BTreeSet<String>>;

#[test]
fn the_reference_has_every_verb_and_option() {
    let told = documented(&page(PAGE));
    let known = known(&Sandbox::new());
    assert!(known.len() > 30, "only {} verbs were found", known.len());
    let verbs = |commands: &Commands| commands.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(verbs(&told), verbs(&known), "verbs: {PAGE} is left, --help is right");
    for (verb, options) in &known {
        assert_eq!(
            told.get(verb),
            Some(options),
            "options of `{verb}`: {PAGE} is left, --help is right"
        );
    }
}

/// Every verb has at least two examples in its own words.
#[test]
fn the_reference_has_examples() {
    let text = page(PAGE);
    for section in text.split("\n## `headwater ").skip(1) {
        let (verb, body) = section.split_once('`').unwrap();
        let examples = body.lines().filter(|line| line.contains("headwater ")).count();
        assert!(examples >= 2, "`headwater {verb}` has {examples} examples");
    }
}

/// What a heading ``## `headwater job list` `` and the rows below it say.
fn documented(page: &str) -> Commands {
    let mut commands = Commands::new();
    let mut verb = None;
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            verb = match heading.strip_prefix("`headwater ") {
                Some(name) => Some(name.trim_end_matches('`').to_owned()),
                None => (heading == GLOBAL).then(|| GLOBAL.to_owned()),
            };
            if let Some(verb) = &verb {
                commands.insert(verb.clone(), BTreeSet::new());
            }
        }
        let cell = line.strip_prefix("| `").and_then(|row| row.split_once('|'));
        if let (Some(verb), Some((cell, _))) = (&verb, cell) {
            commands.get_mut(verb).unwrap().extend(long_options(cell));
        }
    }
    commands
}

/// What `--help` says, from the program itself down to the last verb. Nouns that only hold verbs are left out.
fn known(sandbox: &Sandbox) -> Commands {
    let mut commands = Commands::new();
    let help = sandbox.ok(["--help"]);
    let (_, global) = help.split_once("Global options:").unwrap();
    commands.insert(
        GLOBAL.to_owned(),
        options_of(global)
            .chain(["--help".into(), "--version".into()])
            .collect(),
    );
    let mut open: Vec<Vec<String>> = nouns(&help).into_iter().map(|noun| vec![noun]).collect();
    while let Some(words) = open.pop() {
        let help = sandbox.ok(words.iter().map(String::as_str).chain(["--help"]));
        let verbs = nouns(&help);
        let (own, _) = help.split_once("Global options:").unwrap_or((&help, ""));
        let usage = own
            .lines()
            .find_map(|line| line.strip_prefix("Usage: "))
            .unwrap_or_default();
        if verbs.is_empty() || !usage.ends_with("<COMMAND>") {
            let own: BTreeSet<String> = options_of(own).filter(|option| option != "--help").collect();
            commands.insert(words.join(" "), own);
        }
        open.extend(
            verbs
                .into_iter()
                .map(|verb| words.iter().cloned().chain([verb]).collect()),
        );
    }
    commands
}

/// The names below `Commands:`, without `help`, which repeats them all.
fn nouns(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let rows = lines
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = rows.filter_map(|row| row.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Options at the beginning of lines, as in `  -g, --group <COLUMN>`.
fn options_of(help: &str) -> impl Iterator<Item = String> {
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    lines.flat_map(long_options)
}

fn long_options(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn options_are_found() {
    assert_eq!(long_options("  -g, --group <COLUMN>"), ["--group"]);
    assert_eq!(
        options_of("      --page <TOKEN>\n          Go on --where\n").collect::<Vec<_>>(),
        ["--page"]
    );
    let told = documented("## `headwater job list`\n\n| `-n`, `--limit COUNT` | x |\n\n## Other\n| `--not` | y |\n");
    assert_eq!(
        told.into_iter().collect::<Vec<_>>(),
        [("job list".to_owned(), BTreeSet::from(["--limit".to_owned()]))]
    );
}
