//! What a store demands of jobs and tasks before it keeps them.

use std::collections::BTreeMap;

use hw_job::{JobEnding, JobId, StoredDocument, TaskSpec};

use super::PageRequest;
use crate::StoreError;
use crate::limits::PAGE_ITEMS_MAX;

/// Refuses an inline document that should have been a file.
pub(crate) fn check_inline(document: &StoredDocument, what: impl Fn() -> String) -> Result<(), StoreError> {
    let StoredDocument::Inline(value) = document else {
        return Ok(());
    };
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
pub(crate) fn check_dependencies(job: JobId, first_index: u32, tasks: &[TaskSpec]) -> Result<(), StoreError> {
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

/// The text of an id, or of a part of one, as look-ups compare it: hexadecimal digits in lower case.
pub(crate) fn plain_id(text: &str) -> String {
    text.chars()
        .filter(|c| *c != '-')
        .map(|c| c.to_ascii_lowercase())
        .collect()
}
