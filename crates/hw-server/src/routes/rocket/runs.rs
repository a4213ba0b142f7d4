//! Runs: past queries and registrations, and those under way. They are the jobs of those kinds, with their retention.

use axum::extract::State;
use axum::routing::{delete, get, post};
use hw_api::{RocketRun, RocketRunList};
use hw_job::{JobId, JobState};
use hw_store::{JobChangeError, JobFilter, JobRecord, Role};

use super::name::look_for;
use super::run::{KINDS, STATUSES, brief, full};
use crate::problem::{ApiError, Fault};
use crate::request::{QueryPairs, Segments};
use crate::routes::jobs::{REASON, find_job, page_of_jobs};
use crate::routes::submit::load_job;
use crate::routes::{Answer, Route, document, json as json_form};
use crate::state::{Shared, State as Server};

/// Jobs with equal last digits that are looked at for the one submitted in the second that a request id names.
const SAME_DIGITS_MAX: u32 = 64;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/runs", "rocket_list_runs", get(list))
            .about("Queries and registrations, newest first.")
            .role(Role::Read)
            .query("type", "string", "Only `query` or only `register`.")
            .query("dataset", "string", "Only queries of this dataset.")
            .query(
                "status",
                "string",
                "Only in these states; several are separated by commas.",
            )
            .query("tag", "string", "Only with this label.")
            .paged()
            .answers(200, "A page of runs.", vec![json_form::<RocketRunList>()]),
        Route::get("/runs/{run}", "rocket_show_run", get(show))
            .about("A run with its question and its answer.")
            .role(Role::Read)
            .answers(200, "The run.", vec![json_form::<RocketRun>()]),
        Route::post("/runs/{run}/cancel", "rocket_cancel_run", post(cancel))
            .about("Asks for the end of a run; no effect on one that has ended.")
            .role(Role::Write)
            .answers(200, "The run.", vec![json_form::<RocketRun>()]),
        Route::delete("/runs/{run}", "rocket_end_run", delete(end))
            .about("Asks for the end of a run; one that has ended stays in the history for `jobs.keep_history`.")
            .role(Role::Write)
            .answers(200, "The run.", vec![json_form::<RocketRun>()]),
    ]
}

async fn list(State(state): State<Shared>, query: QueryPairs) -> Answer {
    let mut reader = query.reader(&["type", "dataset", "status", "tag", "limit", "page"]);
    let types = KINDS.map(|(_, name)| name);
    let kinds = reader.choices("type", &types, |text| {
        let known = KINDS.iter().find(|(_, name)| name.eq_ignore_ascii_case(text));
        known.map(|(kind, _)| (*kind).to_owned())
    });
    let statuses = STATUSES.map(|(name, _)| name);
    let states: Vec<JobState> = reader.choices("status", &statuses, |text| {
        let known = STATUSES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        known.map(|(_, state)| *state)
    });
    let dataset = reader.text("dataset").map(str::to_owned);
    let tag = reader.text("tag").map(str::to_owned);
    let page = reader.page();
    reader.finish()?;
    let table = match dataset {
        Some(name) => Some(table_named(&state, &name).await?),
        None => None,
    };
    let filter = JobFilter {
        kinds: match kinds.is_empty() {
            true => KINDS.map(|(kind, _)| kind.to_owned()).to_vec(),
            false => kinds,
        },
        states,
        table,
        tag,
        ..JobFilter::default()
    };
    let found = page_of_jobs(&state, &filter, &page).await?;
    let mut runs = Vec::with_capacity(found.items.len());
    for record in &found.items {
        runs.push(brief(&state, record).await);
    }
    Ok(document(&RocketRunList { runs, next: found.next }))
}

/// The dataset of this name, or the name alone where it is no longer registered: its runs are still known.
async fn table_named(state: &Server, name: &str) -> Result<hw_catalog::TableName, Fault> {
    match look_for(state, name).await? {
        Some(table) => Ok(table.name),
        None => hw_catalog::TableName::in_main(name).map_err(|error| {
            let finding = hw_catalog::Finding::new("HW-A003", format!("`dataset`: {error}"));
            ApiError::Parameters {
                findings: vec![finding.help("give the name of a dataset")],
            }
            .into()
        }),
    }
}

async fn show(State(state): State<Shared>, query: QueryPairs, Segments(run): Segments<String>) -> Answer {
    query.reader(&[]).finish()?;
    let record = find_run(&state, &run).await?;
    Ok(document(&full(&state, &record).await))
}

async fn cancel(State(state): State<Shared>, query: QueryPairs, Segments(run): Segments<String>) -> Answer {
    query.reader(&[]).finish()?;
    let job = find_run(&state, &run).await?.id;
    ask_for_the_end(&state, job).await
}

async fn end(State(state): State<Shared>, query: QueryPairs, Segments(run): Segments<String>) -> Answer {
    query.reader(&[]).finish()?;
    let record = find_run(&state, &run).await?;
    if record.state.is_settled() {
        return Err(JobChangeError::Settled {
            job: record.id,
            state: record.state,
        }
        .into());
    }
    ask_for_the_end(&state, record.id).await
}

async fn ask_for_the_end(state: &Server, job: JobId) -> Answer {
    state.controller().cancel(job, REASON).await?;
    let record = load_job(state, job).await?;
    Ok(document(&full(state, &record).await))
}

/// The run of a request id, or of an id of a job as elsewhere.
async fn find_run(state: &Server, text: &str) -> Result<JobRecord, Fault> {
    let record = match request_id_parts(text) {
        Some((second, digits)) => {
            let jobs = state.store().find_jobs(digits, SAME_DIGITS_MAX).await?;
            match jobs.into_iter().find(|job| job.unix_ms() / 1000 == second) {
                Some(job) => load_job(state, job).await?,
                None => return Err(unknown(text)),
            }
        }
        None => find_job(state, text).await?,
    };
    match KINDS.iter().any(|(kind, _)| *kind == record.kind) {
        true => Ok(record),
        false => Err(unknown(text)),
    }
}

fn unknown(text: &str) -> Fault {
    ApiError::JobNotFound { text: text.to_owned() }.into()
}

/// The second and the last digits of the job's id, `1731000000-8c0f12ab`.
fn request_id_parts(text: &str) -> Option<(u64, &str)> {
    let (second, digits) = text.split_once('-')?;
    let is_request_id = digits.len() == 8
        && digits.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase())
        && second.len() > 8
        && second.chars().all(|c| c.is_ascii_digit());
    is_request_id.then(|| Some((second.parse().ok()?, digits))).flatten()
}
