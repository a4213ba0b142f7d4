//! `headwater task`.

use hw_api::{CancelRequest, ExitCode, TaskDocument, TaskExplanation};

use crate::args::{TaskReference, TaskVerb};
use crate::client::Call;
use crate::context::{Context, Ended};
use crate::failure::Ending;
use crate::render::figures::{seconds, time};
use crate::render::grid::{Cell, Grid};
use crate::render::listing::state_cell;
use crate::render::text::printable;
use crate::verbs::lists::{Range, document, list};

pub(crate) async fn run(context: &mut Context, verb: TaskVerb) -> Ended {
    match verb {
        TaskVerb::List { job } => {
            list::<TaskDocument>(context, || Call::get(&["jobs", &job, "tasks"]), Range::WHOLE).await?;
        }
        TaskVerb::Show { task } => show(context, Call::get(&path(&task, &task.index.to_string(), &[]))).await?,
        TaskVerb::Explain { task } => explain(context, &task).await?,
        TaskVerb::Requeue { task } => {
            show(context, Call::post(&path(&task, &task.index.to_string(), &["requeue"]))).await?;
        }
        TaskVerb::Cancel { task, reason } => {
            let call = Call::post(&path(&task, &task.index.to_string(), &["cancel"]));
            let call = match reason {
                Some(_) => call.json(&CancelRequest { reason })?,
                None => call,
            };
            show(context, call).await?;
        }
    }
    Ok(ExitCode::Done)
}

fn path<'a>(task: &'a TaskReference, index: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    let path = ["jobs", task.job.as_str(), "tasks", index];
    path.into_iter().chain(rest.iter().copied()).collect()
}

async fn show(context: &mut Context, call: Call) -> Result<(), Ending> {
    let answer = context.client.document(call).await?;
    let task: TaskDocument = answer.parse()?;
    document(context, &answer, &task.id, |context| {
        let facts = facts(&task).render(context.console.layout());
        let attempts = attempts(&task);
        match attempts.is_empty() {
            true => Ok(facts),
            false => Ok(format!("{facts}\n{}", attempts.render(context.console.layout()))),
        }
    })
}

fn facts(task: &TaskDocument) -> Grid {
    let mut grid = Grid::new(&["", ""]);
    let facts = [
        ("task", Some(Cell::new(&task.id))),
        ("kind", Some(Cell::new(&task.kind))),
        ("state", Some(state_cell(&task.state, false))),
        ("error", task.error.as_ref().map(|error| Cell::new(error.to_string()))),
        ("worker", task.worker.as_ref().map(Cell::new)),
        ("started", task.started_at.as_deref().map(|at| Cell::new(time(at)))),
        ("ended", task.ended_at.as_deref().map(|at| Cell::new(time(at)))),
        (
            "params",
            task.params.as_ref().map(|params| Cell::new(params.to_string())),
        ),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            grid.row(vec![Cell::new(name), value]);
        }
    }
    grid
}

fn attempts(task: &TaskDocument) -> Grid {
    let mut grid = Grid::new(&["attempt", "state", "worker", "started", ">took", "error"]);
    for attempt in &task.history {
        grid.row(vec![
            Cell::new(&attempt.id),
            state_cell(&attempt.state, false),
            Cell::new(&attempt.worker),
            Cell::new(time(&attempt.started_at)),
            Cell::maybe(attempt.seconds.map(seconds)),
            Cell::new(attempt.error.as_ref().map(ToString::to_string).unwrap_or_default()),
        ]);
    }
    grid
}

async fn explain(context: &mut Context, task: &TaskReference) -> Result<(), Ending> {
    let index = task.index.to_string();
    let answer = context
        .client
        .document(Call::get(&path(task, &index, &["explain"])))
        .await?;
    let explanation: TaskExplanation = answer.parse()?;
    document(context, &answer, &explanation.id, |_| {
        let head = format!(
            "task {} is {}\n",
            printable(&explanation.id),
            printable(&explanation.state)
        );
        let reasons = explanation
            .reasons
            .iter()
            .map(|reason| format!("- {}\n", printable(reason)));
        Ok(reasons.fold(head, |text, reason| text + &reason))
    })
}
