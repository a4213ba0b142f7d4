//! The manual page: what `--help` tells of every verb, as one document in the language of `man`.

use clap::{Arg, Command};

/// The page of a command line with all its verbs, in roff. `exit_codes` is shown at its end as it stands.
pub(crate) fn page(command: &mut Command, version: &str, exit_codes: &str) -> String {
    command.build();
    let name = command.get_name().to_owned();
    let mut page = format!(
        ".TH {} 1 \"\" \"{} {}\" \"\"\n",
        escaped(&name.to_uppercase()),
        escaped(&name),
        escaped(version)
    );
    heading(&mut page, "NAME");
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    page.push_str(&format!("{} \\- {}\n", escaped(&name), line(&about)));
    heading(&mut page, "SYNOPSIS");
    page.push_str(&format!(
        "\\fB{}\\fR [\\fIOPTIONS\\fR] \\fICOMMAND\\fR\n",
        escaped(&name)
    ));
    heading(&mut page, "DESCRIPTION");
    paragraphs(&mut page, &about_of(command));
    heading(&mut page, "OPTIONS");
    paragraphs(&mut page, "These may be given with every command.");
    options(&mut page, command, true);
    heading(&mut page, "COMMANDS");
    verbs(&mut page, command, &name);
    heading(&mut page, "EXIT STATUS");
    verbatim(&mut page, exit_codes);
    page
}

/// Every verb below a command, in the order of the help; nouns that only hold verbs have no section of their own.
fn verbs(page: &mut String, command: &Command, words: &str) {
    for verb in command.get_subcommands().filter(|verb| is_shown(verb)) {
        let words = format!("{words} {}", verb.get_name());
        let is_noun = verb.is_subcommand_required_set();
        if !is_noun {
            section(page, verb, &words);
        }
        verbs(page, verb, &words);
    }
}

fn is_shown(command: &Command) -> bool {
    !command.is_hide_set() && command.get_name() != "help"
}

fn section(page: &mut String, verb: &Command, words: &str) {
    page.push_str(&format!(".SS \"{}\"\n", escaped(words)));
    let usage = verb.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    page.push_str(&format!(".PP\n\\fB{}\\fR\n", line(usage)));
    paragraphs(page, &about_of(verb));
    options(page, verb, false);
    if let Some(more) = verb.get_after_long_help().or(verb.get_after_help()) {
        verbatim(page, &more.to_string());
    }
}

fn about_of(command: &Command) -> String {
    let about = command.get_long_about().or(command.get_about());
    about.map(ToString::to_string).unwrap_or_default()
}

/// Arguments and options; those that every verb takes are told once, at the top.
fn options(page: &mut String, command: &Command, global: bool) {
    for argument in command.get_arguments() {
        let is_common = argument.is_global_set() || matches!(argument.get_id().as_str(), "help" | "version");
        if argument.is_hide_set() || is_common != global {
            continue;
        }
        page.push_str(&format!(".TP\n{}\n", signature(argument)));
        let help = argument.get_long_help().or(argument.get_help());
        paragraph(page, &help.map(ToString::to_string).unwrap_or_default());
        let values = argument.get_possible_values();
        let values: Vec<&str> = values
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| value.get_name())
            .collect();
        if argument.get_action().takes_values() && !values.is_empty() {
            page.push_str(&format!("One of {}.\n", line(&values.join(", "))));
        }
    }
}

/// `-f, --file FILE`, or the name of what stands by itself.
fn signature(argument: &Arg) -> String {
    let bold = |text: String| format!("\\fB{}\\fR", escaped(&text));
    let short = argument.get_short().map(|short| bold(format!("-{short}")));
    let long = argument.get_long().map(|long| bold(format!("--{long}")));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    let takes = argument.get_action().takes_values() || argument.is_positional();
    let values = argument.get_value_names().unwrap_or_default();
    let values = values.iter().map(|name| format!("\\fI{}\\fR", escaped(name)));
    let values: Vec<String> = values.filter(|_| takes).collect();
    match names.is_empty() {
        true => values.join(" "),
        false if values.is_empty() => names.join(", "),
        false => format!("{} {}", names.join(", "), values.join(" ")),
    }
}

fn heading(page: &mut String, name: &str) {
    page.push_str(&format!(".SH {name}\n"));
}

/// Text whose paragraphs are parted by blank lines; each line of one stands for itself.
fn paragraphs(page: &mut String, text: &str) {
    for text in text.split("\n\n").filter(|text| !text.trim().is_empty()) {
        page.push_str(".PP\n");
        paragraph(page, text);
    }
}

fn paragraph(page: &mut String, text: &str) {
    for text in text.lines().map(str::trim).filter(|text| !text.is_empty()) {
        page.push_str(&format!("{}\n", line(text)));
    }
}

/// Text as it stands, with its line ends and indents.
fn verbatim(page: &mut String, text: &str) {
    page.push_str(".PP\n.nf\n");
    for text in text.trim_end().lines() {
        page.push_str(&format!("{}\n", line(text)));
    }
    page.push_str(".fi\n");
}

/// A line of text: one that begins like a request to the formatter must not be taken for one.
fn line(text: &str) -> String {
    let text = escaped(text);
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

#[cfg(test)]
mod tests;
