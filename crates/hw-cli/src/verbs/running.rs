//! Verbs that run a job: submit, follow its progress line by line, tell its outcome.

use std::time::Duration;

use http::header::LOCATION;
use hw_api::{ExitCode, JobDocument, JobLine, Problem, ProgressDocument};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::args::JobArgs;
use crate::client::{Call, Client, Lines, parse};
use crate::context::Context;
use crate::failure::{ClientError, Ending, Failure};
use crate::progress::Progress;
use crate::render::text::printable;

/// How long a cancelled job is waited for; then the connection is dropped, which cancels it as well.
const CANCEL_WAIT: Duration = Duration::from_secs(10);
/// How often progress is looked at.
const TICK: Duration = Duration::from_millis(100);

/// A job that was submitted.
pub(crate) enum Outcome {
    /// It goes on at the server; the text is its document.
    Detached { id: String, text: String },
    /// It ended well, or partly so.
    Settled(Box<Settled>),
}

/// A job that ended well.
pub(crate) struct Settled {
    pub(crate) job: JobDocument,
    /// Its result as it came.
    pub(crate) result: String,
    /// Done or partly done.
    pub(crate) exit: ExitCode,
}

/// A line of a job's stream, its parts as they came.
#[derive(Deserialize)]
struct LineText {
    #[serde(default)]
    job: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct ResultText {
    #[serde(default)]
    result: Option<Box<RawValue>>,
}

/// Submits a job with the request `call` and follows it to its end. `title` names it beside its progress.
///
/// Ctrl-C cancels the job. A job that does not end well becomes a failure.
pub(crate) async fn run_job(context: &mut Context, call: Call, args: &JobArgs, title: &str) -> Result<Outcome, Ending> {
    let call = call
        .query_if("timeout", args.timeout.as_deref())
        .query_if("not_before", args.not_before.as_deref())
        .query_if("deadline", args.deadline.as_deref());
    if args.detach {
        return detach(context, call).await;
    }
    let mut progress = Progress::new(&context.console, title, args.progress);
    let settled = follow(context, call, &mut progress).await;
    progress.clear();
    let text = settled?;
    let job: JobDocument = parse(&text)?;
    let exit = outcome(&job)?;
    tell_oddities(context, &job);
    let result = match parse::<ResultText>(&text)?.result {
        Some(result) => result.get().to_owned(),
        // Large results stay with the server.
        None => {
            context
                .client
                .document(Call::get(&["jobs", &job.id, "result"]))
                .await?
                .text
        }
    };
    Ok(Outcome::Settled(Box::new(Settled { job, result, exit })))
}

async fn detach(context: &mut Context, call: Call) -> Result<Outcome, Ending> {
    if context.client.transport().await?.is_local() {
        return Err(ClientError::Usage {
            reason: "`--detach` needs a server that goes on with the job, and none is running".to_owned(),
            help: Some("start one with `headwater up`".to_owned()),
        }
        .into());
    }
    let document = context.client.document(call.query("detach", "true")).await?;
    let job: JobDocument = document.parse()?;
    Ok(Outcome::Detached {
        id: job.id,
        text: document.text,
    })
}

/// The text of the settled job.
async fn follow(context: &mut Context, call: Call, progress: &mut Progress) -> Result<String, Ending> {
    let interrupts = context.interrupts.clone();
    let sent = context.client.answer(call.query("stream", "true"));
    let response = Context::until_interrupted(interrupts.clone(), async { Ok(sent.await?) }).await?;
    let id = response
        .headers()
        .get(LOCATION)
        .and_then(|place| job_of(place.to_str().ok()?));
    let mut lines = Lines::new(response.into_body());
    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            line = lines.next() => match take_line(line?, progress)? {
                Some(job) => return Ok(job),
                None => progress.draw(&mut context.console),
            },
            _ = ticks.tick() => progress.draw(&mut context.console),
            () = interrupts.wait() => {
                progress.clear();
                return Err(cancel(context, id, lines).await);
            }
        }
    }
}

/// The settled job, if the line brings it. The end of the stream before that is a fault.
fn take_line(line: Option<String>, progress: &mut Progress) -> Result<Option<String>, Ending> {
    let line = line.ok_or_else(|| ClientError::BrokenOff {
        reason: "the job's stream ended before the job".to_owned(),
    })?;
    match parse::<JobLine>(&line)? {
        JobLine::Progress(document) => {
            progress.update(document);
            Ok(None)
        }
        JobLine::Error(problem) => Err(problem.into()),
        JobLine::Job(_) => {
            let text = parse::<LineText>(&line)?.job;
            Ok(text.map(|text| text.get().to_owned()))
        }
    }
}

/// The job's id in the URL of its document.
fn job_of(location: &str) -> Option<String> {
    let path = location.split('?').next()?;
    let (_, id) = path.trim_end_matches('/').rsplit_once('/')?;
    (!id.is_empty()).then(|| id.to_owned())
}

/// Cancels the job and waits a moment for its end, so that nothing of it is left when the command returns.
async fn cancel(context: &mut Context, id: Option<String>, mut lines: Lines) -> Ending {
    let Some(id) = id else {
        context.console.note("cancelled");
        return Ending::Quiet(ExitCode::Cancelled);
    };
    context
        .console
        .note(format!("cancelling job {id}; Ctrl-C again leaves at once"));
    let wait = async {
        ask_to_cancel(&context.client, &id, "interrupted by the user").await?;
        loop {
            match lines.next().await? {
                Some(line) if matches!(parse(&line)?, JobLine::Job(_)) => return Ok(()),
                Some(_) => {}
                None => return Ok(()),
            }
        }
    };
    let ended: Result<Result<(), Failure>, _> = tokio::time::timeout(CANCEL_WAIT, wait).await;
    match ended {
        Ok(Ok(())) => context.console.note(format!("job {id} was cancelled")),
        Ok(Err(failure)) => context
            .console
            .note(format!("job {id} may still run: {}", failure.problem)),
        Err(_) => context
            .console
            .note(format!("job {id} is still stopping: `headwater job wait {id}`")),
    }
    Ending::Quiet(ExitCode::Cancelled)
}

/// Asks the server to cancel a job; gives its document.
pub(crate) async fn ask_to_cancel(client: &Client, id: &str, reason: &str) -> Result<crate::client::Document, Failure> {
    let request = hw_api::CancelRequest {
        reason: Some(reason.to_owned()),
    };
    client
        .document(Call::post(&["jobs", id, "cancel"]).json(&request)?)
        .await
}

/// The exit code of a job that ended well; else the failure that tells why it did not.
pub(crate) fn outcome(job: &JobDocument) -> Result<ExitCode, Failure> {
    let code = match job.state.as_str() {
        "succeeded" if job.partial => return Ok(ExitCode::Partly),
        "succeeded" => return Ok(ExitCode::Done),
        "cancelled" => Some(ExitCode::Cancelled),
        "timed_out" => Some(ExitCode::TimedOut),
        _ => None,
    };
    let problem = job.error.clone().unwrap_or_else(|| without_reason(job));
    let mut failure = Failure::from(problem);
    failure.exit = match (code, failure.exit) {
        (Some(code), _) => code,
        // A job that failed did not end well, whatever its problem says.
        (None, ExitCode::Done) => ExitCode::Failed,
        (None, exit) => exit,
    };
    Err(failure)
}

fn without_reason(job: &JobDocument) -> Problem {
    let reason = match (&job.cancel_reason, job.state.as_str()) {
        (Some(reason), _) => format!("job {} was cancelled: {reason}", job.id),
        (None, state) => format!("job {} ended as `{state}`", job.id),
    };
    let problem = Problem::new(500, "HW-C063", "the job did not succeed", reason);
    problem.help(format!("`headwater job show {}` tells all that is known", job.id))
}

/// Warnings of a job that ended well.
pub(crate) fn tell_oddities(context: &mut Context, job: &JobDocument) {
    for warning in &job.warnings {
        let place = warning.pointer.as_deref().filter(|pointer| !pointer.is_empty());
        let place = place
            .map(|pointer| format!("{}: ", printable(pointer)))
            .unwrap_or_default();
        let help = warning
            .help
            .as_deref()
            .map(|help| format!("; {}", printable(help)))
            .unwrap_or_default();
        context
            .console
            .warn(format!("{place}{}{help}", printable(&warning.message)));
    }
    if job.partial {
        let why = job
            .error
            .as_ref()
            .map_or_else(|| "see `headwater job show`".to_owned(), ToString::to_string);
        context.console.warn(format!("done, but partly: {}", printable(&why)));
    }
}

/// Number of tasks that are over, and of all tasks.
pub(crate) fn tasks_done(progress: &ProgressDocument) -> (u64, u64) {
    let is_over = |state: &str| {
        matches!(
            state,
            "succeeded" | "failed" | "cancelled" | "timed_out" | "quarantined" | "infeasible"
        )
    };
    let counts = progress
        .tasks
        .iter()
        .filter_map(|(state, count)| Some((state, count.as_u64()?)));
    counts.fold((0, 0), |(done, all), (state, count)| {
        (done + if is_over(state) { count } else { 0 }, all + count)
    })
}
