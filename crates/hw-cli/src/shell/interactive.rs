//! The shell at a terminal: a prompt, history, colours, completion around [`Shell`].

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reedline::{
    ColumnarMenu, Emacs, FileBackedHistory, KeyCode, KeyModifiers, MenuBuilder as _, Prompt, PromptEditMode,
    PromptHistorySearch, Reedline, ReedlineEvent, ReedlineMenu, Signal, ValidationResult, Validator,
    default_emacs_keybindings,
};

use super::complete::SqlCompleter;
use super::highlight::SqlHighlighter;
use super::names::Names;
use super::statements::is_complete;
use super::{Flow, Settings, Shell};
use crate::context::{Context, Ended};
use crate::failure::{ClientError, Ending};

/// Lines of history that are kept.
const HISTORY_MAX: usize = 10_000;
const MENU: &str = "completion";
/// How long a prompt waits for the names to complete.
const NAMES_WAIT: Duration = Duration::from_millis(500);

/// Reads statements from the terminal and answers them until the person leaves.
pub(crate) async fn run(context: &mut Context, settings: Settings) -> Ended {
    greet(context);
    // Opens the data folder first: the history is kept there.
    context.client.transport().await?;
    let names = Names::default();
    let mut editor = editor(context, &names);
    let mut shell = Shell::new(context, settings);
    shell.set_interactive();
    let mut names_changed = true;
    loop {
        if names_changed {
            // A slow server must not keep the prompt back.
            let _ = tokio::time::timeout(NAMES_WAIT, names.refresh(&shell.context().client)).await;
        }
        let signal = tokio::task::block_in_place(|| editor.read_line(&SqlPrompt));
        // At the prompt Ctrl-C is a key; a signal is someone else who wants this process to end.
        if shell.context().interrupts.is_pending() {
            return shell.conclude();
        }
        match signal {
            Ok(Signal::Success(input)) => {
                names_changed = may_change_names(&input);
                if answer(&mut shell, &input).await? == Flow::Leave {
                    return shell.conclude();
                }
            }
            Ok(Signal::CtrlD) => return shell.conclude(),
            Ok(_) => {}
            Err(error) => {
                return Err(ClientError::Input {
                    path: "-".into(),
                    reason: error.to_string(),
                }
                .into());
            }
        }
    }
}

fn greet(context: &mut Context) {
    let version = env!("CARGO_PKG_VERSION");
    context.console.note(format!(
        "headwater {version} · end statements with ; · .help · Ctrl-D leaves"
    ));
}

/// Whether the tables may be others afterwards.
fn may_change_names(input: &str) -> bool {
    let input = input.to_lowercase();
    ["create", "drop", "alter", ".read"]
        .iter()
        .any(|word| input.contains(word))
}

async fn answer(shell: &mut Shell<'_>, input: &str) -> Result<Flow, Ending> {
    shell.set_source("the statement");
    for line in input.split_inclusive('\n') {
        if shell.execute_line(line).await? == Flow::Leave {
            return Ok(Flow::Leave);
        }
    }
    Ok(Flow::Continue)
}

fn editor(context: &Context, names: &Names) -> Reedline {
    let mut keys = default_emacs_keybindings();
    let complete = vec![ReedlineEvent::Menu(MENU.to_owned()), ReedlineEvent::MenuNext];
    keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, ReedlineEvent::UntilFound(complete));
    let menu = ColumnarMenu::default().with_name(MENU);
    let mut editor = Reedline::create()
        .with_completer(Box::new(SqlCompleter { names: names.clone() }))
        .with_menu(ReedlineMenu::EngineCompleter(Box::new(menu)))
        .with_edit_mode(Box::new(Emacs::new(keys)))
        .with_validator(Box::new(SqlValidator))
        .with_quick_completions(true)
        .with_partial_completions(true)
        .with_ansi_colors(context.console.style.colour);
    if context.console.style.colour {
        editor = editor.with_highlighter(Box::new(SqlHighlighter));
    }
    match history(&context.local.data_dir) {
        Some(history) => editor.with_history(Box::new(history)),
        None => editor,
    }
}

/// The history in the data folder, for its owner's eyes only. Without a data folder there is none.
fn history(data_dir: &Path) -> Option<FileBackedHistory> {
    let file = private_file(&data_dir.join("history"))?;
    FileBackedHistory::with_file(HISTORY_MAX, file).ok()
}

/// A file that only its owner can read, made if it is not there.
pub(super) fn private_file(path: &Path) -> Option<PathBuf> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
        let file = options.mode(0o600).open(path).ok()?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).ok()?;
    }
    #[cfg(not(unix))]
    options.open(path).ok()?;
    Some(path.to_owned())
}

/// Enter ends the input when its statements are complete, else begins a new line.
struct SqlValidator;

impl Validator for SqlValidator {
    fn validate(&self, line: &str) -> ValidationResult {
        match is_complete(line) {
            true => ValidationResult::Complete,
            false => ValidationResult::Incomplete,
        }
    }
}

struct SqlPrompt;

impl Prompt for SqlPrompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed("headwater")
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _mode: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("> ")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("       -> ")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!("(search: {}) ", search.term))
    }
}
