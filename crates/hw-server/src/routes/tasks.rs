//! Tasks of a job: list, one with its attempts, why it waits, another chance, its end.

mod explain;

use axum::extract::State;
use axum::routing::{get, post};
use hw_api::{CancelRequest, TaskDocument, TaskExplanation, TaskList};
use hw_job::{TaskId, TaskState};
use hw_store::{ChangeRefused, Role, TaskRecord};

use super::jobs::{REASON, find_job};
use super::paging::{Page, page_of};
use super::{Answer, Route, document, json};
use crate::documents::{task_document, task_document_in_list};
use crate::problem::{ApiError, Fault};
use crate::request::{MaybeBody, QueryPairs, Segments};
use crate::state::{Shared, State as Server};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/v1/jobs/{job}/tasks", "list_tasks", get(list))
            .about("The tasks of a job by index.")
            .role(Role::Read)
            .paged()
            .answers(200, "A page of tasks.", vec![json::<TaskList>()]),
        Route::get("/api/v1/jobs/{job}/tasks/{index}", "show_task", get(show))
            .about("A task with its parameters and attempts.")
            .role(Role::Read)
            .answers(200, "The task.", vec![json::<TaskDocument>()]),
        Route::get("/api/v1/jobs/{job}/tasks/{index}/explain", "explain_task", get(explain))
            .about("Why a task is where it is.")
            .role(Role::Read)
            .answers(200, "The reasons.", vec![json::<TaskExplanation>()]),
        Route::post(
            "/api/v1/jobs/{job}/tasks/{index}/requeue",
            "requeue_task",
            post(requeue),
        )
        .about("Gives a quarantined task another chance.")
        .role(Role::Write)
        .answers(200, "The task.", vec![json::<TaskDocument>()]),
        Route::post("/api/v1/jobs/{job}/tasks/{index}/cancel", "cancel_task", post(cancel))
            .about(
                "Cancels one task that has not ended: it is `cancelled` at once and its worker stops within 200 ms. A job of \
                 any kind needs all its tasks, so the job ends as `cancelled` too.",
            )
            .role(Role::Write)
            .optional_body(json::<CancelRequest>())
            .answers(200, "The task.", vec![json::<TaskDocument>()]),
    ]
}

async fn list(State(state): State<Shared>, query: QueryPairs, Segments(job): Segments<String>) -> Answer {
    let mut reader = query.reader(&["limit", "page"]);
    let page = Page::read(&mut reader);
    reader.finish()?;
    let job = find_job(&state, &job).await?.id;
    let tasks = state.store().load_tasks(job).await?;
    let (tasks, next) = page_of(tasks, &page, |task| format!("{:010}", task.id.index));
    let items = tasks.into_iter().map(task_document_in_list).collect();
    Ok(document(&TaskList { items, next }))
}

async fn show(State(state): State<Shared>, query: QueryPairs, Segments(task): Segments<(String, String)>) -> Answer {
    query.reader(&[]).finish()?;
    let task = find_task(&state, &task).await?;
    shown(&state, task).await
}

async fn shown(state: &Server, task: TaskRecord) -> Answer {
    let attempts = state.store().load_attempts(task.id.job).await?;
    Ok(document(&task_document(task, &attempts)))
}

async fn explain(State(state): State<Shared>, query: QueryPairs, Segments(task): Segments<(String, String)>) -> Answer {
    query.reader(&[]).finish()?;
    let task = find_task(&state, &task).await?;
    let reasons = explain::reasons(&state, &task).await?;
    Ok(document(&TaskExplanation {
        id: task.id.to_string(),
        state: task.state.as_str().to_owned(),
        reasons,
    }))
}

async fn requeue(State(state): State<Shared>, query: QueryPairs, Segments(task): Segments<(String, String)>) -> Answer {
    query.reader(&[]).finish()?;
    let id = find_task(&state, &task).await?.id;
    state.store().requeue_task(id).await?.map_err(not_requeued)?;
    let task = load_task(&state, id).await?;
    shown(&state, task).await
}

async fn cancel(
    State(state): State<Shared>,
    query: QueryPairs,
    Segments(task): Segments<(String, String)>,
    MaybeBody(request): MaybeBody<CancelRequest>,
) -> Answer {
    query.reader(&[]).finish()?;
    let id = find_task(&state, &task).await?.id;
    let reason = request
        .and_then(|request| request.reason)
        .unwrap_or_else(|| REASON.to_owned());
    state
        .controller()
        .cancel_task(id, &reason)
        .await?
        .map_err(not_cancelled)?;
    let task = load_task(&state, id).await?;
    shown(&state, task).await
}

/// Why a task gets no other chance.
fn not_requeued(refused: ChangeRefused) -> Fault {
    match refused {
        ChangeRefused::Illegal {
            task,
            from: TaskState::Quarantined,
            ..
        } => ApiError::Moved {
            message: format!("task {task} is quarantined, and its job has ended: nothing gives it another chance"),
            help: "run the job again when the cause is mended",
        }
        .into(),
        ChangeRefused::Illegal { task, from, .. } => ApiError::Moved {
            message: format!(
                "task {task} is {}: only a quarantined task gets another chance",
                from.as_str()
            ),
            help: "`headwater task explain` tells what a task waits for; a job that has ended is run again",
        }
        .into(),
        other => other.into(),
    }
}

/// Why a task cannot be cancelled.
fn not_cancelled(refused: ChangeRefused) -> Fault {
    match refused {
        ChangeRefused::Illegal { task, from, .. } => ApiError::Moved {
            message: format!("task {task} is {}, and so cannot be cancelled any more", from.as_str()),
            help: "a task is cancelled before it has ended, and while its job goes on; nothing was changed",
        }
        .into(),
        other => other.into(),
    }
}

async fn find_task(state: &Server, (job, index): &(String, String)) -> Result<TaskRecord, Fault> {
    let job = find_job(state, job).await?.id;
    match index.parse() {
        Ok(index) => load_task(state, TaskId::new(job, index)).await,
        Err(_) => Err(ApiError::TaskNotFound {
            text: format!("{job}/{index}"),
        }
        .into()),
    }
}

async fn load_task(state: &Server, id: TaskId) -> Result<TaskRecord, Fault> {
    let task = state.store().load_task(id).await?;
    task.ok_or_else(|| ApiError::TaskNotFound { text: id.to_string() }.into())
}
