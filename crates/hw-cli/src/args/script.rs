//! `headwater script`.

use std::convert::Infallible;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// The verbs of scripts.
#[derive(Debug, Subcommand)]
pub(crate) enum ScriptVerb {
    Options(OptionsArgs),
    Resolve(ResolveArgs),
    Check(CheckArgs),
}

/// A parser of options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Parser {
    /// The first: one keyword at a time, no escapes
    V1,
    /// The second: all keys, exact words, escapes
    V2,
}

/// List the options in the text of a script
///
/// Knows no keys: every `%key value;` counts. The first parser looks for one keyword and takes its first option out of the text.
/// Exits with 3 when a line begins an option and is none; every such line is told, the first as the reference does.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    headwater script options my_udf.java\n  \
    headwater script options - --parser v1 --key %jar --format json < my_udf.java")]
pub(crate) struct OptionsArgs {
    /// Text of the script; `-` is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Parser of the options
    #[arg(long, value_name = "PARSER", default_value = "v2")]
    pub(crate) parser: Parser,
    /// Options of this key only; with the first parser the keyword, percent sign included
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
}

/// Carry out the options of a Java script
///
/// Shows the text that is left, the script class, JVM options, jars, and which scripts were imported from where. Without
/// --parser the first works. The script's own `%env SCRIPT_OPTIONS_PARSER_VERSION` wins over both. Exits with 3 when there are
/// faults.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    headwater script resolve my_udf.java --parser v2 --import HELPER=helper.java\n  \
    headwater script resolve my_udf.java --parser v1 --launch --memory-limit 4GiB --format json")]
pub(crate) struct ResolveArgs {
    /// Text of the script; `-` is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Parser of the options, unless the script says
    #[arg(long, value_name = "PARSER")]
    pub(crate) parser: Option<Parser>,
    /// A script that can be imported, and the file of its text; may be repeated. Names follow the rules of SQL identifiers
    #[arg(long, value_name = "NAME=FILE", value_parser = import)]
    pub(crate) import: Vec<(String, Option<PathBuf>)>,
    /// Refuse a second `%scriptclass` in the main script instead of removing it (second parser)
    #[arg(long)]
    pub(crate) strict_scriptclass: bool,
    #[command(flatten)]
    pub(crate) launch: LaunchArgs,
}

/// What a virtual machine is to be started with.
#[derive(Debug, Args)]
pub(crate) struct LaunchArgs {
    /// Show the command that starts the virtual machine; checks that all jars are there
    #[arg(long)]
    pub(crate) launch: bool,
    /// Jar of the runtime, first on the class path
    #[arg(long, value_name = "JAR", default_value = "headwater-udf.jar", requires = "launch")]
    pub(crate) runtime_jar: PathBuf,
    /// Memory of the process: decides the heap unless the script does
    #[arg(long, value_name = "SIZE", default_value = "2GiB", requires = "launch", value_parser = size)]
    pub(crate) memory_limit: u64,
    /// Name of the script: names its class unless the script does
    #[arg(long, value_name = "NAME", default_value = "SCRIPT", requires = "launch")]
    pub(crate) script_name: String,
}

/// Tell what changes for a script with the second parser
///
/// Compares what both parsers make of it: lines that the second refuses, options that gain or lose their effect, values that mean
/// something else. Imports are not followed: check each script. Exits with 3 when the second parser refuses the script.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:\n  \
    headwater script check my_udf.java\n  \
    headwater script check - --format json < my_udf.java")]
pub(crate) struct CheckArgs {
    /// Text of the script; `-` is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// A name alone is that of a script that is not there.
#[expect(clippy::unnecessary_wraps, reason = "the form of a parser of values")]
fn import(text: &str) -> Result<(String, Option<PathBuf>), Infallible> {
    Ok(match text.split_once('=') {
        Some((name, file)) => (name.to_owned(), Some(PathBuf::from(file))),
        None => (text.to_owned(), None),
    })
}

/// A number of bytes, with a unit or none.
fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("B", 1)];
    let unit = UNITS
        .iter()
        .find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
    let (number, unit) = unit.unwrap_or((text, 1));
    let number: Option<u64> = number.trim().parse().ok();
    number
        .and_then(|number| number.checked_mul(unit))
        .ok_or_else(|| "write it as `512MiB` or `2GiB`".to_owned())
}
