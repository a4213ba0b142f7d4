//! `headwater worker list`, `token`, `doctor`, `completions`.

use clap::CommandFactory as _;
use hw_api::{
    Check, CheckState, DoctorDocument, ExitCode, NewTokenDocument, TokenDocument, TokenRequest, WorkerDocument,
};

use crate::args::{CommandLine, CompletionArgs, EXIT_CODES, Page, Role, TokenVerb};
use crate::client::{Call, Document};
use crate::context::{Context, Ended};
use crate::failure::{Ending, Failure};
use crate::render::grid::{Cell, Grid, Tone};
use crate::render::listing::Listed as _;
use crate::render::man;
use crate::render::text::printable;
use crate::verbs::complete;
use crate::verbs::config::to_document;
use crate::verbs::lists::{document, itemised, list};

/// Those on a host, with a label, and whether also those that have ended.
pub(crate) async fn list_workers(
    context: &mut Context,
    (host, label, all): (Option<&str>, Option<&str>, bool),
    page: &Page,
) -> Ended {
    let call = || {
        let call = Call::get(&["workers"]).query_if("host", host).query_if("label", label);
        call.query_if("all", all.then_some("true"))
    };
    list::<WorkerDocument>(context, call, page.range()).await?;
    Ok(ExitCode::Done)
}

/// Drains a worker, or lets it take tasks again.
pub(crate) async fn drain_worker(context: &mut Context, id: &str, undo: bool) -> Ended {
    let place = ["workers", id, "drain"];
    let call = if undo { Call::delete(&place) } else { Call::post(&place) };
    let answer = context.client.document(call).await?;
    let worker: WorkerDocument = answer.parse()?;
    document(context, &answer, &worker.id, |_| {
        let id = printable(&worker.id);
        Ok(match (worker.draining, worker.running) {
            (false, _) => format!("worker {id} takes tasks\n"),
            (true, 0) => format!("worker {id} takes no new tasks; it has none\n"),
            (true, 1) => format!("worker {id} takes no new tasks; it ends one that it has begun\n"),
            (true, running) => format!("worker {id} takes no new tasks; it ends {running} that it has begun\n"),
        })
    })?;
    Ok(ExitCode::Done)
}

pub(crate) async fn token(context: &mut Context, verb: TokenVerb) -> Ended {
    match verb {
        TokenVerb::List { role, page } => {
            let call = || Call::get(&["tokens"]).query_if("role", role.map(Role::name));
            list::<TokenDocument>(context, call, page.range()).await?;
        }
        TokenVerb::Show { name } => show_token(context, &name).await?,
        TokenVerb::Create { name, role, expires } => {
            let request = TokenRequest {
                name,
                role: role.name().to_owned(),
                expires,
            };
            create_token(context, &request).await?;
        }
        TokenVerb::Drop { name } => drop_token(context, &name).await?,
    }
    Ok(ExitCode::Done)
}

async fn show_token(context: &mut Context, name: &str) -> Result<(), Ending> {
    let answer = context.client.document(Call::get(&["tokens", name])).await?;
    let token: TokenDocument = answer.parse()?;
    document(context, &answer, name, |context| {
        let mut grid = Grid::new(TokenDocument::HEADS);
        grid.row(token.cells());
        Ok(grid.render(context.console.layout()))
    })
}

/// Data are the token's text alone, so that it can go into a file or variable; what it is stands beside it.
async fn create_token(context: &mut Context, request: &TokenRequest) -> Result<(), Ending> {
    let answer = context.client.document(Call::post(&["tokens"]).json(request)?).await?;
    let token: NewTokenDocument = answer.parse()?;
    document(context, &answer, &token.token, |context| {
        let facts = &token.facts;
        let until = facts
            .expires_at
            .as_deref()
            .map_or_else(|| "for ever".to_owned(), |at| format!("until {at}"));
        context.console.note(format!(
            "token `{}` ({}, {until}); it is shown this once, clients take it from HEADWATER_TOKEN:",
            printable(&facts.name),
            printable(&facts.role)
        ));
        Ok(format!("{}\n", token.token))
    })
}

async fn drop_token(context: &mut Context, name: &str) -> Result<(), Ending> {
    let what = format!("token `{}`", printable(name));
    let question = format!("drop {what}? Whoever uses it is let in no more.");
    context.console.confirm(&question, &what)?;
    context.client.answer(Call::delete(&["tokens", name])).await?;
    match context.console.quiet {
        true => context.console.line(name),
        false => {
            context.console.note(format!("dropped {what}"));
            Ok(())
        }
    }
}

pub(crate) async fn doctor(context: &mut Context) -> Ended {
    let answer = match context.client.document(Call::get(&["doctor"])).await {
        Ok(answer) => answer,
        Err(failure) => match check_of(&failure.problem.code) {
            Some(name) => return not_reached(context, name, &failure),
            None => return Err(failure.into()),
        },
    };
    let doctor: DoctorDocument = answer.parse()?;
    let failed = doctor.checks.iter().filter(|check| check.state == CheckState::Failed);
    let failed: Vec<&str> = failed.map(|check| check.name.as_str()).collect();
    show_checks(context, &answer, &failed.join("\n"), &doctor)?;
    match failed.is_empty() {
        true => Ok(ExitCode::Done),
        false => Ok(ExitCode::Failed),
    }
}

fn show_checks(context: &mut Context, answer: &Document, failed: &str, doctor: &DoctorDocument) -> Result<(), Ending> {
    let fields = ("checks", ["name", "state", "detail", "remedy"].as_slice());
    itemised(context, answer, fields, failed, |context| {
        Ok(checks(doctor, context.console.unicode).render(context.console.layout()))
    })
}

/// That nothing can be reached is what was asked: it is told as a check, with its remedy.
fn not_reached(context: &mut Context, name: &str, failure: &Failure) -> Ended {
    let doctor = DoctorDocument {
        checks: vec![Check {
            name: name.to_owned(),
            state: CheckState::Failed,
            detail: failure.problem.detail.clone(),
            remedy: failure.problem.help.clone(),
        }],
    };
    show_checks(context, &to_document(&doctor)?, name, &doctor)?;
    Ok(failure.exit)
}

/// The check that a failure to get any answer belongs to.
fn check_of(code: &str) -> Option<&'static str> {
    match code {
        "HW-C010" => Some("data folder"),
        "HW-C051" => Some("server"),
        code if code.starts_with("HW-S") => Some("store"),
        _ => None,
    }
}

fn checks(doctor: &DoctorDocument, unicode: bool) -> Grid {
    let mut grid = Grid::new(&["", "", ""]);
    for check in &doctor.checks {
        let (mark, word, tone) = match check.state {
            CheckState::Ok => ("✓", "ok", Tone::Good),
            CheckState::Warning => ("!", "warning", Tone::Odd),
            CheckState::Failed => ("✗", "failed", Tone::Bad),
        };
        let state = if unicode {
            format!("{mark} {word}")
        } else {
            word.to_owned()
        };
        grid.row(vec![
            Cell::toned(state, tone),
            Cell::new(&check.name),
            Cell::new(&check.detail),
        ]);
        if let Some(remedy) = &check.remedy {
            grid.row(vec![Cell::new(""), Cell::new(""), Cell::new(format!("help: {remedy}"))]);
        }
    }
    grid
}

pub(crate) fn manual(context: &mut Context) -> Ended {
    let page = man::page(&mut CommandLine::command(), env!("CARGO_PKG_VERSION"), EXIT_CODES);
    context.console.data(page)?;
    Ok(ExitCode::Done)
}

pub(crate) fn completions(context: &mut Context, args: &CompletionArgs) -> Ended {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut CommandLine::command(), "headwater", &mut script);
    script.extend_from_slice(complete::script(args.shell).as_bytes());
    context.console.data(script)?;
    Ok(ExitCode::Done)
}
