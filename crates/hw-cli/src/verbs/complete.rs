//! Names for shell completion: what the word under the cursor may be, where that is known only at run time.
//!
//! The scripts of `headwater completions` ask `headwater complete-words -- WORD...` for the last of the words. Nothing is ever
//! said but names: a shell that completes has no place for remarks, and does not wait.

use std::time::Duration;

use clap::{Arg, Command, CommandFactory as _};
use hw_api::{ExitCode, JobList, TableList, TokenList};

use super::explain;
use crate::args::CommandLine;
use crate::client::Call;
use crate::context::{Context, Ended};
use crate::failure::Ending;

/// How long a shell is kept waiting.
const WAIT: Duration = Duration::from_millis(700);

/// Names that are asked for.
const NAMES_MAX: &str = "200";

/// What `job list --kind` and `--state` take, as their help says.
const KINDS: [&str; 6] = ["register", "funnel", "drop", "repartition", "export", "view"];
const STATES: [&str; 7] = [
    "queued",
    "running",
    "finishing",
    "succeeded",
    "failed",
    "cancelled",
    "timed_out",
];

/// What a word may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    Tables,
    Jobs,
    Tokens,
    Codes,
    Demos,
    JobKinds,
    JobStates,
    /// Keys of settings, with what follows them.
    Settings(&'static str),
}

pub(crate) async fn run(context: &mut Context, words: &[String]) -> Ended {
    let Some(names) = wanted(&CommandLine::command(), words) else {
        return Ok(ExitCode::Done);
    };
    // Whoever presses Tab does not want a data folder to be made.
    let is_somewhere = context.client.names_a_server() || context.local.data_dir.join("store.db").exists();
    let found = match names {
        Names::Codes => explain::codes().map(str::to_owned).collect(),
        Names::Demos => vec!["funnel".to_owned()],
        Names::JobKinds => KINDS.map(str::to_owned).to_vec(),
        Names::JobStates => STATES.map(str::to_owned).to_vec(),
        Names::Settings(end) => keys(context, end),
        _ if !is_somewhere => Vec::new(),
        names => {
            let asked = tokio::time::timeout(WAIT, ask(context, names)).await;
            asked.ok().and_then(Result::ok).unwrap_or_default()
        }
    };
    let begin = words.last().map_or("", String::as_str);
    for name in found.iter().filter(|name| name.starts_with(begin)) {
        context.console.line(name)?;
    }
    Ok(ExitCode::Done)
}

/// Keys of all settings; none where the configuration has faults.
fn keys(context: &Context, end: &str) -> Vec<String> {
    let config = context.program.config(&context.local).map(|config| config.settings);
    let settings = config.unwrap_or_default();
    settings.iter().map(|setting| format!("{}{end}", setting.key)).collect()
}

async fn ask(context: &Context, names: Names) -> Result<Vec<String>, Ending> {
    let list = |noun: &'static str| Call::get(&[noun]).query("limit", NAMES_MAX);
    let client = &context.client;
    Ok(match names {
        Names::Tables => {
            let found: TableList = client.document(list("tables")).await?.parse()?;
            found.items.into_iter().map(|table| table.name).collect()
        }
        Names::Jobs => {
            let found: JobList = client.document(list("jobs")).await?.parse()?;
            found.items.into_iter().map(|job| job.id).collect()
        }
        Names::Tokens => {
            let found: TokenList = client.document(list("tokens")).await?.parse()?;
            found.items.into_iter().map(|token| token.name).collect()
        }
        Names::Codes | Names::Demos | Names::JobKinds | Names::JobStates | Names::Settings(_) => Vec::new(),
    })
}

/// What the last word may be; `None` where the script alone knows better.
pub(super) fn wanted(root: &Command, words: &[String]) -> Option<Names> {
    let (last, before) = words.split_last()?;
    if last.starts_with('-') {
        return None;
    }
    let mut place = Place {
        root,
        command: root,
        noun: "",
        positionals: 0,
        option: None,
    };
    before.iter().for_each(|word| place.pass(word));
    place.argument()
}

/// Where in the command line a word stands.
struct Place<'a> {
    root: &'a Command,
    command: &'a Command,
    /// The first subcommand.
    noun: &'a str,
    /// Positional arguments of the command so far.
    positionals: usize,
    /// An option whose value comes next.
    option: Option<&'a Arg>,
}

impl<'a> Place<'a> {
    fn pass(&mut self, word: &str) {
        if self.option.take().is_some() {
            return;
        }
        if word.starts_with('-') {
            let takes_value = |option: &&Arg| option.get_action().takes_values() && !word.contains('=');
            self.option = self.find_option(word).filter(takes_value);
            return;
        }
        match self.command.find_subcommand(word) {
            Some(inner) => {
                if self.noun.is_empty() {
                    self.noun = inner.get_name();
                }
                self.command = inner;
                self.positionals = 0;
            }
            None => self.positionals += 1,
        }
    }

    fn find_option(&self, word: &str) -> Option<&'a Arg> {
        let options = self.command.get_arguments().chain(self.root.get_arguments());
        let is_meant = |option: &&Arg| match word.strip_prefix("--") {
            Some(long) => option.get_long() == Some(long),
            None => option.get_short().is_some_and(|short| word == format!("-{short}")),
        };
        { options }.find(is_meant)
    }

    fn argument(&self) -> Option<Names> {
        let argument = match self.option {
            Some(option) => option,
            None => self.command.get_positionals().nth(self.positionals)?,
        };
        match (self.noun, self.command.get_name(), argument.get_id().as_str()) {
            (_, _, "table") | ("table", "show" | "drop" | "runs" | "repartition" | "export", "name") => {
                Some(Names::Tables)
            }
            (_, _, "job") | ("job", _, "id") => Some(Names::Jobs),
            ("token", "show" | "drop", "name") => Some(Names::Tokens),
            ("explain", _, "code") => Some(Names::Codes),
            ("demo", _, "name") => Some(Names::Demos),
            ("job", "list", "kind") => Some(Names::JobKinds),
            ("job", "list", "state") => Some(Names::JobStates),
            ("config", "show", "key") => Some(Names::Settings("")),
            (_, _, "set") => Some(Names::Settings("=")),
            _ => None,
        }
    }
}

/// The lines that make a shell ask, behind the script that knows verbs and options.
pub(super) fn script(shell: clap_complete::Shell) -> &'static str {
    match shell {
        clap_complete::Shell::Bash => BASH,
        clap_complete::Shell::Zsh => ZSH,
        clap_complete::Shell::Fish => FISH,
        _ => "",
    }
}

const BASH: &str = r#"
# Names of tables, jobs and tokens, as they are now.
_headwater_names() {
    _headwater "$@"
    local names
    names="$(headwater complete-words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)"
    if [[ -n "$names" ]]; then
        COMPREPLY=($names)
        compopt +o default +o bashdefault 2>/dev/null
        [[ "$names" == *= ]] && compopt -o nospace 2>/dev/null
    fi
}
complete -F _headwater_names -o nosort -o bashdefault -o default headwater 2>/dev/null || complete -F _headwater_names -o default headwater
"#;

const ZSH: &str = r#"
# Names of tables, jobs and tokens, as they are now.
_headwater_names() {
    local -a names
    names=(${(f)"$(headwater complete-words -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    if (( $#names )); then
        compadd -a names
    else
        _headwater "$@"
    fi
}
compdef _headwater_names headwater
"#;

/// fish asks for the value of an option only where it was told of that option.
const FISH: &str = r#"
# Names of tables, jobs and tokens, as they are now.
function __headwater_names
    headwater complete-words -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null
end
complete -c headwater -a '(__headwater_names)'
complete -c headwater -l set -x -a '(__headwater_names)'
for option in table kind state
    complete -c headwater -n '__fish_seen_subcommand_from job jobs; and __fish_seen_subcommand_from list ls' -l $option -x -a '(__headwater_names)'
end
complete -c headwater -n '__fish_seen_subcommand_from event events' -l job -x -a '(__headwater_names)'
"#;
