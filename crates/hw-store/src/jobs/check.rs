//! What a store demands of jobs and tasks before it keeps them.

use std::collections::BTreeMap;

use hw_job::{JobEnding, JobId, NewEvent, StoredDocument, TaskSpec};
use serde_json::Value;

use super::{NewJob, PageRequest};
use crate::StoreError;
use crate::limits::{DOCUMENT_DEPTH_MAX, PAGE_ITEMS_MAX};

/// Refuses a document that is nested too deeply to be read again.
pub(crate) fn check_depth(document: &Value, what: impl Fn() -> String) -> Result<(), StoreError> {
    let mut left = vec![(document, 1)];
    while let Some((value, depth)) = left.pop() {
        if depth > DOCUMENT_DEPTH_MAX {
            let fault = format!("{} is nested deeper than {DOCUMENT_DEPTH_MAX} levels", what());
            return Err(StoreError::Misuse(fault));
        }
        match value {
            Value::Array(items) => left.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(members) => left.extend(members.values().map(|member| (member, depth + 1))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    Ok(())
}

/// Refuses a job that could not be read again, or would never end.
pub(crate) fn check_job(job: &NewJob) -> Result<(), StoreError> {
    check_depth(&job.params, || format!("the parameters of job {}", job.id))?;
    check_depth(&job.expanded, || format!("the expanded parameters of job {}", job.id))?;
    check_tasks(job.id, 0, &job.tasks)
}

/// Refuses tasks that could not be read again, or would never be ready.
pub(crate) fn check_tasks(job: JobId, first_index: u32, tasks: &[TaskSpec]) -> Result<(), StoreError> {
    for (index, spec) in (first_index..).zip(tasks) {
        check_depth(&spec.params, || format!("the parameters of task {job}/{index}"))?;
    }
    check_dependencies(job, first_index, tasks)
}

/// Refuses events that could not be read again.
pub(crate) fn check_events(events: &[NewEvent]) -> Result<(), StoreError> {
    let check = |event: &NewEvent| check_depth(&event.data, || format!("the data of an event of `{}`", event.subject));
    events.iter().try_for_each(check)
}

/// Refuses an inline document that should have been a file.
pub(crate) fn check_inline(document: &StoredDocument, what: impl Fn() -> String) -> Result<(), StoreError> {
    let StoredDocument::Inline(value) = document else {
        return Ok(());
    };
    check_depth(value, &what)?;
    let bytes = serde_json::to_vec(value).map_or(usize::MAX, |text| text.len());
    if bytes <= StoredDocument::INLINE_BYTES_MAX {
        return Ok(());
    }
    let max = StoredDocument::INLINE_BYTES_MAX;
    Err(StoreError::Misuse(format!(
        "{} has {bytes} bytes, more than the {max} that are kept inline",
        what()
    )))
}

/// Refuses a result that should have been a file.
pub(crate) fn check_ending(job: JobId, ending: &JobEnding) -> Result<(), StoreError> {
    match ending {
        JobEnding::Succeeded { result, .. } => check_inline(result, || format!("the result of job {job}")),
        JobEnding::Failed(_) | JobEnding::Cancelled { .. } | JobEnding::TimedOut(_) => Ok(()),
    }
}

/// Refuses tasks that wait for tasks that do not exist, or for each other in a circle: such a job would never end.
fn check_dependencies(job: JobId, first_index: u32, tasks: &[TaskSpec]) -> Result<(), StoreError> {
    let specs: BTreeMap<u32, &TaskSpec> = (first_index..).zip(tasks).collect();
    let mut unmet = BTreeMap::new();
    let mut dependents: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (index, spec) in &specs {
        let mut open = 0_usize;
        for before in &spec.after {
            if specs.contains_key(before) {
                open += 1;
                dependents.entry(*before).or_default().push(*index);
            } else if *before >= first_index {
                let fault = format!("task {job}/{index} waits for task {before}, which does not exist");
                return Err(StoreError::Misuse(fault));
            }
        }
        unmet.insert(*index, open);
    }
    match stuck(unmet, &dependents) {
        Some(index) => Err(StoreError::Misuse(format!(
            "task {job}/{index} waits for itself, by way of others"
        ))),
        None => Ok(()),
    }
}

/// A task that never becomes free if each one is taken as soon as all before it are.
fn stuck(mut unmet: BTreeMap<u32, usize>, dependents: &BTreeMap<u32, Vec<u32>>) -> Option<u32> {
    let mut free: Vec<u32> = Vec::new();
    unmet.retain(|index, open| {
        if *open == 0 {
            free.push(*index);
        }
        *open > 0
    });
    while let Some(index) = free.pop() {
        for dependent in dependents.get(&index).into_iter().flatten() {
            if let Some(open) = unmet.get_mut(dependent) {
                *open -= 1;
                if *open == 0 {
                    unmet.remove(dependent);
                    free.push(*dependent);
                }
            }
        }
    }
    unmet.into_keys().next()
}

/// Refuses pages of no or too many items.
pub(crate) fn check_page(page: &PageRequest) -> Result<(), StoreError> {
    if (1..=PAGE_ITEMS_MAX).contains(&page.limit) {
        return Ok(());
    }
    let fault = format!("a page has 1 to {PAGE_ITEMS_MAX} items, {} were asked for", page.limit);
    Err(StoreError::Misuse(fault))
}

/// The token of the page after the job of this number.
pub(crate) fn page_token(number: u64) -> String {
    format!("j{number:x}")
}

/// The number behind a token of [`page_token`].
pub(crate) fn parse_page_token(token: &str) -> Result<u64, StoreError> {
    token
        .strip_prefix('j')
        .and_then(|number| u64::from_str_radix(number, 16).ok())
        .ok_or_else(|| StoreError::Misuse(format!("`{token}` is no token of a page of jobs")))
}

/// Where the files of a job lie: intermediate ones too, which its documents mention somewhere inside.
pub(crate) fn job_folder(job: JobId) -> String {
    format!("jobs/{job}/")
}

/// The text of an id, or of a part of one, as look-ups compare it: hexadecimal digits in lower case.
pub(crate) fn plain_id(text: &str) -> String {
    text.chars()
        .filter(|c| *c != '-')
        .map(|c| c.to_ascii_lowercase())
        .collect()
}
