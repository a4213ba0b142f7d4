//! `headwater job`.

use std::time::Duration;

use hw_api::{EventDocument, ExitCode, JobDocument};
use hw_chart::FunnelResult;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::args::{Format, JobListArgs, JobVerb};
use crate::client::{Call, Document, Lines, next_chunk, parse};
use crate::console::{Answer, unfit};
use crate::context::{Context, Ended};
use crate::failure::{ClientError, Ending};
use crate::output::OutputFile;
use crate::progress::Progress;
use crate::render::figures::{bytes, counted, seconds, time};
use crate::render::funnel::chart;
use crate::render::grid::{Cell, Grid};
use crate::render::json::pretty;
use crate::render::listing::{state_cell, task_counts};
use crate::verbs::event::{Printer, print_until};
use crate::verbs::lists::{document, list};
use crate::verbs::running::{ask_to_cancel, outcome, tell_oddities};

/// Longest time that one request waits at the server.
const LONG_POLL: Duration = Duration::from_secs(20);

pub(crate) async fn run(context: &mut Context, verb: JobVerb) -> Ended {
    match verb {
        JobVerb::Wait { id, timeout } => wait(context, &id, timeout).await,
        verb => {
            let interrupts = context.interrupts.clone();
            Context::until_interrupted(interrupts, at_once(context, verb)).await
        }
    }
}

async fn at_once(context: &mut Context, verb: JobVerb) -> Ended {
    match verb {
        JobVerb::List(args) => list_jobs(context, &args).await?,
        JobVerb::Show { id } => show(context, &id).await?,
        JobVerb::Wait { id, timeout } => return wait(context, &id, timeout).await,
        JobVerb::Cancel { id, reason } => cancel(context, &id, reason.as_deref()).await?,
        JobVerb::Logs { id, follow } => logs(context, &id, follow).await?,
        JobVerb::Export { id, output } => export(context, &id, output.as_deref()).await?,
    }
    Ok(ExitCode::Done)
}

async fn list_jobs(context: &mut Context, args: &JobListArgs) -> Result<(), Ending> {
    let call = || {
        Call::get(&["jobs"])
            .query_if("kind", args.kind.as_deref())
            .query_if("state", args.state.as_deref())
            .query_if("table", args.table.as_deref())
            .query_if("tag", args.tag.as_deref())
    };
    list::<JobDocument>(context, call, args.page.range()).await
}

async fn show(context: &mut Context, id: &str) -> Result<(), Ending> {
    match context.console.format {
        Some(Format::Svg) if !context.console.quiet => return show_picture(context, id, hw_api::SVG).await,
        Some(Format::Html) if !context.console.quiet => return show_picture(context, id, hw_api::HTML).await,
        _ => {}
    }
    let answer = context.client.document(Call::get(&["jobs", id])).await?;
    print_job(context, &answer)
}

/// The result as the server draws it; it knows whether there is one, and whether it has a picture.
async fn show_picture(context: &mut Context, id: &str, media_type: &'static str) -> Result<(), Ending> {
    let call = Call::get(&["jobs", id, "result"]).accept(media_type);
    let answer = context.client.document(call).await?;
    context.console.data(answer.text)
}

fn print_job(context: &mut Context, answer: &Document) -> Result<(), Ending> {
    let job: JobDocument = answer.parse()?;
    document(context, answer, &job.id, |context| {
        let facts = facts(&job).render(context.console.layout());
        let result = result_text(context, &job, &answer.text)?;
        Ok(facts + &result)
    })
}

fn facts(job: &JobDocument) -> Grid {
    let mut grid = Grid::new(&["", ""]);
    let tasks: Vec<String> = task_counts(job)
        .iter()
        .map(|(state, number)| format!("{number} {state}"))
        .collect();
    let reads: Vec<String> = job
        .reads
        .iter()
        .map(|read| format!("{} version {}", read.table, read.version))
        .collect();
    let joined = |texts: Vec<String>| (!texts.is_empty()).then(|| texts.join(", "));
    let plain = |text: Option<String>| text.map(Cell::new);
    let error = job
        .error
        .as_ref()
        .map(|error| format!("{}: {}", error.code, error.detail));
    let read = match (job.progress.rows, job.progress.bytes) {
        (0, 0) => None,
        (rows, read) => Some(format!("{}, {}", counted(rows, "row"), bytes(read))),
    };
    let facts: [(&str, Option<Cell>); 18] = [
        ("job", plain(Some(job.id.clone()))),
        ("kind", plain(Some(job.kind.clone()))),
        ("state", Some(state_cell(&job.state, job.partial))),
        ("error", plain(error)),
        ("help", plain(job.error.as_ref().and_then(|error| error.help.clone()))),
        ("reason", plain(job.cancel_reason.clone())),
        ("created", plain(Some(time(&job.created_at)))),
        ("not before", plain(job.not_before.as_deref().map(time))),
        ("deadline", plain(job.deadline.as_deref().map(time))),
        ("started", plain(job.started_at.as_deref().map(time))),
        ("ended", plain(job.ended_at.as_deref().map(time))),
        ("took", plain(Some(seconds(job.elapsed_seconds)))),
        ("tasks", plain(joined(tasks))),
        ("read", plain(read)),
        ("attempts", plain(Some(job.attempts.to_string()))),
        ("reads", plain(joined(reads))),
        ("tags", plain(joined(job.tags.clone()))),
        ("answered by", plain(job.cached_from.clone())),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            grid.row(vec![Cell::new(name), value]);
        }
    }
    grid.row(vec![Cell::new("asked"), Cell::new(job.params.to_string())]);
    grid
}

/// A funnel's result as bars, any other as the document that it is.
fn result_text(context: &Context, job: &JobDocument, text: &str) -> Result<String, Ending> {
    #[derive(serde::Deserialize)]
    struct ResultText {
        #[serde(default)]
        result: Option<Box<RawValue>>,
    }
    let Some(result) = parse::<ResultText>(text)?.result else {
        return Ok(String::new());
    };
    let query = job.params.get("query").unwrap_or(&Value::Null);
    match (job.kind.as_str(), parse::<FunnelResult>(result.get())) {
        ("funnel", Ok(result)) => Ok(format!("\n{}", chart(&result, query, context.console.layout()))),
        _ => Ok(format!("\n{}\n", pretty(result.get()))),
    }
}

async fn cancel(context: &mut Context, id: &str, reason: Option<&str>) -> Result<(), Ending> {
    let answer = ask_to_cancel(&context.client, id, reason.unwrap_or("cancelled by the user")).await?;
    let job: JobDocument = answer.parse()?;
    document(context, &answer, &job.id, |_| {
        Ok(format!("job {} is asked to stop; it is {}\n", job.id, job.state))
    })
}

async fn wait(context: &mut Context, id: &str, timeout: Option<Duration>) -> Ended {
    let begin = context.console.now();
    let mut progress = Progress::new(&context.console, &format!("job {id}"), false);
    let interrupts = context.interrupts.clone();
    let waited = tokio::select! {
        waited = poll(context, id, timeout, &mut progress) => waited,
        () = interrupts.wait() => Err(Ending::Quiet(ExitCode::Cancelled)),
    };
    progress.clear();
    if let Err(Ending::Quiet(ExitCode::Cancelled)) = &waited {
        context.console.note(format!("stopped waiting; job {id} goes on"));
    }
    let Some(answer) = waited? else {
        let waited = context.console.now().saturating_sub(begin);
        return Err(ClientError::StillRunning {
            job: id.to_owned(),
            waited: crate::render::figures::duration(waited),
        }
        .into());
    };
    let job: JobDocument = answer.parse()?;
    let exit = outcome(&job)?;
    tell_oddities(context, &job);
    document(context, &answer, &job.id, |_| {
        Ok(format!(
            "job {} succeeded in {}\n",
            job.id,
            seconds(job.elapsed_seconds)
        ))
    })?;
    Ok(exit)
}

/// The document of the settled job; `None` when the time is over.
async fn poll(
    context: &mut Context,
    id: &str,
    timeout: Option<Duration>,
    progress: &mut Progress,
) -> Result<Option<Document>, Ending> {
    let begin = context.console.now();
    // The first answer comes at once: it tells whether there is such a job, and how far it is.
    let mut patience = Duration::ZERO;
    loop {
        let call = Call::get(&["jobs", id]).query("wait", format!("{}s", patience.as_secs()));
        let answer = context.client.document(call).await?;
        let job: JobDocument = answer.parse()?;
        if is_settled(&job.state) {
            return Ok(Some(answer));
        }
        progress.update(job.progress);
        progress.draw(&mut context.console);
        let waited = context.console.now().saturating_sub(begin);
        let left = timeout.map_or(LONG_POLL, |timeout| timeout.saturating_sub(waited));
        if left.is_zero() {
            return Ok(None);
        }
        // Where somebody watches the bar, its figures should be of this second.
        let poll_max = if context.console.errors_is_terminal {
            Duration::from_secs(1)
        } else {
            LONG_POLL
        };
        patience = Duration::from_secs(left.as_secs_f64().ceil() as u64).min(poll_max);
    }
}

fn is_settled(state: &str) -> bool {
    matches!(state, "succeeded" | "failed" | "cancelled" | "timed_out")
}

async fn logs(context: &mut Context, id: &str, follow: bool) -> Result<(), Ending> {
    let mut printer = Printer::new(context.console.plain_format(Answer::List)?);
    if !follow {
        let call = Call::get(&["jobs", id, "logs"]).accept(hw_api::JSON_LINES);
        let mut lines = Lines::new(context.client.answer(call).await?.into_body());
        return print_until(context, &mut lines, &mut printer, |_| false).await;
    }
    let job: JobDocument = context.client.document(Call::get(&["jobs", id])).await?.parse()?;
    let call = Call::get(&["events"])
        .query("job", &job.id)
        .query("since", "0")
        .query("follow", if is_settled(&job.state) { "false" } else { "true" })
        .accept(hw_api::JSON_LINES);
    let mut lines = Lines::new(context.client.answer(call).await?.into_body());
    print_until(context, &mut lines, &mut printer, |event: &EventDocument| {
        event.kind == "job.ended"
    })
    .await
}

async fn export(context: &mut Context, id: &str, output: Option<&std::path::Path>) -> Result<(), Ending> {
    let form = match context.console.format {
        None | Some(Format::Json) => "json",
        Some(Format::ChromeTrace) => "chrome-trace",
        Some(format) => return Err(unfit_export(format)),
    };
    let call = Call::get(&["jobs", id, "export"]).query("format", form);
    let mut body = context.client.answer(call).await?.into_body();
    let mut file = output
        .map(|path| OutputFile::create(&context.absolute_path(path)))
        .transpose()?;
    while let Some(chunk) = next_chunk(&mut body).await? {
        match &mut file {
            Some(file) => file.write(&chunk)?,
            None => context.console.data(&chunk)?,
        }
    }
    if let Some(file) = file {
        let (path, bytes) = file.finish()?;
        context
            .console
            .note(format!("wrote {} ({})", path.display(), counted(bytes, "byte")));
    }
    Ok(())
}

fn unfit_export(format: Format) -> Ending {
    match unfit(format) {
        Ending::Failure(mut failure) => {
            failure.problem.help = Some("use --format json or chrome-trace".to_owned());
            Ending::Failure(failure)
        }
        quiet @ Ending::Quiet(_) => quiet,
    }
}
