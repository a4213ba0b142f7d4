//! Everything about a job in one document of a versioned form.

use hw_job::EventSeq;
use hw_store::{EventFilter, JobRecord};
use serde_json::json;

use crate::documents::{event_document, task_document};
use crate::routes::submit::full_document;
use crate::routes::{Answer, document};
use crate::state::Shared;

/// Name and version of the document's form; a change of meaning raises the number.
const FORM: &str = "headwater.job/1";

/// Events that the document holds at most.
const EVENTS_MAX: u32 = 10_000;

pub(super) async fn artefact(state: &Shared, record: JobRecord) -> Answer {
    let job = record.id;
    let attempts = state.store().load_attempts(job).await?;
    let tasks = state.store().load_tasks(job).await?;
    let filter = EventFilter {
        job: Some(job),
        ..EventFilter::default()
    };
    let events = state.store().read_events(EventSeq(0), EVENTS_MAX, &filter).await?;
    Ok(document(&json!({
        "form": FORM,
        "headwater": env!("CARGO_PKG_VERSION"),
        "job": full_document(state, record).await,
        "tasks": tasks.into_iter().map(|task| task_document(task, &attempts)).collect::<Vec<_>>(),
        "events": events.into_iter().map(event_document).collect::<Vec<_>>(),
    })))
}
