//! From what the store remembers to the documents of the wire: the only place where both are named.

mod job;
mod table;
#[cfg(test)]
mod tests;

use hw_api::{EventDocument, TokenDocument, WorkerDocument, rfc3339};
use hw_job::Event;
use hw_store::{SessionRecord, TokenRecord, WorkerRecord};

use crate::auth::role_name;

pub(crate) use job::{Detail, job_document, job_progress, task_document, task_document_in_list};
pub(crate) use table::{part_document, table_document};

pub(crate) fn event_document(event: Event) -> EventDocument {
    EventDocument {
        seq: event.seq.0,
        at: rfc3339(event.at.0),
        kind: event.kind.as_str().to_owned(),
        subject: event.subject,
        job: event.job.map(|job| job.to_string()),
        data: event.data,
    }
}

/// A worker, with what its process says of itself.
pub(crate) fn worker_document(worker: WorkerRecord, process: Option<&SessionRecord>, ended: bool) -> WorkerDocument {
    let session = process.map(|record| &record.session);
    WorkerDocument {
        id: worker.id.to_string(),
        host: session.map(|session| session.host.clone()).unwrap_or_default(),
        pid: session.map(|session| session.pid).unwrap_or_default(),
        version: session.map(|session| session.version.clone()).unwrap_or_default(),
        started_at: process.map(|record| rfc3339(record.started_at.0)).unwrap_or_default(),
        slots: worker.slots,
        running: worker.running,
        labels: worker.labels,
        draining: worker.draining,
        ended,
    }
}

pub(crate) fn token_document(token: &TokenRecord) -> TokenDocument {
    TokenDocument {
        name: token.name.clone(),
        role: role_name(token.role).to_owned(),
        created_at: rfc3339(token.created_at.0),
        expires_at: token.expires_at.map(|end| rfc3339(end.0)),
    }
}
