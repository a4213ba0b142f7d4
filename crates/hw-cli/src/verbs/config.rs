//! `headwater config`.

use std::path::Path;

use hw_api::{BackupRequest, CheckedConfig, ExitCode, Problem, SettingDocument};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::args::{ConfigVerb, Format};
use crate::client::{Call, Document};
use crate::console::Answer;
use crate::context::{Context, Ended};
use crate::failure::{ClientError, Ending, Failure};
use crate::render::diagnostic;
use crate::render::figures::{bytes, counted};
use crate::render::grid::{Cell, Grid};
use crate::verbs::lists::{document, itemised, machine_document};

pub(crate) async fn run(context: &mut Context, verb: ConfigVerb) -> Ended {
    match verb {
        ConfigVerb::Show { default: true, .. } => {
            let text = context.program.default_config();
            context.console.data(text)?;
        }
        ConfigVerb::Show { key, origin, .. } => show(context, key.as_deref(), origin).await?,
        ConfigVerb::Check => return check(context),
        ConfigVerb::Backup { file } => backup(context, &file).await?,
        ConfigVerb::Restore { file } => restore(context, &file).await?,
    }
    Ok(ExitCode::Done)
}

async fn show(context: &mut Context, key: Option<&str>, origin: bool) -> Result<(), Ending> {
    let mut config: CheckedConfig = match context.client.names_a_server() {
        true => context.client.document(Call::get(&["config"])).await?.parse()?,
        false => context.program.config(&context.local)?,
    };
    if let Some(key) = key {
        let near = near_key(&config.settings, key);
        config.settings.retain(|setting| setting.key.contains(key));
        if config.settings.is_empty() {
            let key = key.to_owned();
            return Err(ClientError::UnknownSetting { key, near }.into());
        }
    }
    let answer = to_document(&config)?;
    let keys: Vec<&str> = config.settings.iter().map(|setting| setting.key.as_str()).collect();
    let fields = ("settings", ["key", "value", "origin"].as_slice());
    itemised(context, &answer, fields, &keys.join("\n"), |context| {
        Ok(settings(&config.settings, origin).render(context.console.layout()))
    })
}

/// The setting that may have been meant: `key` is a whole key, or its last part.
fn near_key(settings: &[SettingDocument], key: &str) -> Option<String> {
    let distance = |known: &str| {
        let last = known.rsplit('.').next().unwrap_or(known);
        strsim::damerau_levenshtein(known, key).min(strsim::damerau_levenshtein(last, key))
    };
    let near = settings.iter().map(|setting| setting.key.as_str());
    let near = near.min_by_key(|known| distance(known))?;
    (distance(near) <= 2).then(|| near.to_owned())
}

fn settings(settings: &[SettingDocument], origin: bool) -> Grid {
    let mut grid = Grid::new(if origin {
        &["setting", "value", "from"]
    } else {
        &["setting", "value"]
    });
    for setting in settings {
        let value = match &setting.value {
            Value::String(text) => format!("{text:?}"),
            other => other.to_string(),
        };
        let cells = [Cell::new(&setting.key), Cell::new(value)];
        let from = origin.then(|| Cell::new(&setting.origin));
        grid.row(cells.into_iter().chain(from).collect());
    }
    grid
}

/// The answer of `config check`: its findings are data, good or not.
#[derive(Serialize)]
struct Checked<'a> {
    ok: bool,
    settings: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notices: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a Problem>,
}

fn check(context: &mut Context) -> Ended {
    let format = context.console.plain_format(Answer::Document)?;
    let problem = match context.program.config(&context.local) {
        Ok(config) => {
            let count = config.settings.len();
            show_checked(
                context,
                format,
                &Checked {
                    ok: true,
                    settings: count,
                    notices: config.notices,
                    problem: None,
                },
            )?;
            return Ok(ExitCode::Done);
        }
        Err(problem) => problem,
    };
    if problem.exit_code() != ExitCode::BadInput {
        return Err(problem.into());
    }
    show_checked(
        context,
        format,
        &Checked {
            ok: false,
            settings: 0,
            notices: Vec::new(),
            problem: Some(&problem),
        },
    )?;
    Ok(ExitCode::BadInput)
}

fn show_checked(context: &mut Context, format: Format, checked: &Checked<'_>) -> Result<(), Ending> {
    match (context.console.quiet, format, checked.problem) {
        (true, _, _) => Ok(()),
        (false, Format::Table, None) => {
            let settings = counted(checked.settings as u64, "setting");
            for notice in &checked.notices {
                context.console.line(notice)?;
            }
            context.console.line(format!("the configuration is good: {settings}"))
        }
        (false, Format::Table, Some(problem)) => {
            let failure = Failure::from(problem.clone());
            let text = diagnostic::render(&failure, context.console.style);
            context.console.line(text)
        }
        (false, format, _) => {
            let answer = to_document(checked)?;
            machine_document(context, &answer.text, format)
        }
    }
}

#[derive(Deserialize)]
struct BackupAnswer {
    path: String,
    bytes: u64,
}

async fn backup(context: &mut Context, file: &Path) -> Result<(), Ending> {
    let request = BackupRequest {
        path: context.absolute_path(file).to_string_lossy().into_owned(),
    };
    let answer = context
        .client
        .document(Call::post(&["config", "backup"]).json(&request)?)
        .await?;
    let backup: BackupAnswer = answer.parse()?;
    document(context, &answer, &backup.path, |_| {
        Ok(format!("wrote {} ({})\n", backup.path, bytes(backup.bytes)))
    })
}

/// What `config restore` tells programs.
#[derive(Serialize)]
struct RestoreAnswer {
    store: String,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
}

async fn restore(context: &mut Context, file: &Path) -> Result<(), Ending> {
    let place = context.local.data_dir.display().to_string();
    let what = format!("what the store in {place} knows (tables, jobs, history)");
    let question = format!("put {} in the place of {what}?", file.display());
    context.console.confirm(&question, &what)?;
    let backup = context.absolute_path(file);
    let restored = context.program.restore(context.local.clone(), backup).await?;
    let answer = RestoreAnswer {
        store: restored.store.display().to_string(),
        bytes: restored.bytes,
        previous: restored.previous.map(|previous| previous.display().to_string()),
    };
    let text = to_document(&answer)?;
    document(context, &text, &answer.store, |_| {
        let before = answer
            .previous
            .as_ref()
            .map(|previous| format!("the store before it is now {previous}\n"));
        Ok(format!(
            "restored {} ({})\n{}",
            answer.store,
            bytes(answer.bytes),
            before.unwrap_or_default()
        ))
    })
}

/// A document of this side, as a server would have sent it.
pub(super) fn to_document(value: &impl Serialize) -> Result<Document, Ending> {
    match serde_json::to_string(value) {
        Ok(text) => Ok(Document { text }),
        Err(error) => Err(ClientError::Unreadable {
            reason: error.to_string(),
        }
        .into()),
    }
}
