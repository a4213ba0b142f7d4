//! `headwater demo`: ordinary requests over data that the program brings along.

use hw_api::RegisterRequest;
use hw_chart::{FunnelResult, Picture};
use serde::Serialize;
use serde_json::Value;

use crate::args::{DemoArgs, Format, JobArgs};
use crate::client::{Call, parse};
use crate::context::{Context, Ended, quoted};
use crate::failure::Ending;
use crate::program::DemoData;
use crate::render::funnel::{chart, csv, stats_line};
use crate::verbs::funnel::{command_line, draw};
use crate::verbs::lists::machine_document;
use crate::verbs::running::{Outcome, Settled, run_job};

/// [`hw_api::FunnelRequest`] by reference.
#[derive(Serialize)]
struct FunnelBody<'a> {
    table: &'a str,
    query: &'a Value,
}

pub(crate) async fn run(context: &mut Context, args: &DemoArgs) -> Ended {
    let format = context.console.funnel_format()?;
    let data = context.program.demo(&context.local, &args.name)?;
    context
        .console
        .note(context.console.error_style.strong(&data.title).to_string());
    register(context, &data).await?;
    let body = FunnelBody {
        table: &data.table,
        query: &data.query,
    };
    let call = Call::post(&["funnels", "run"]).json(&body)?;
    let settled = settled(run_job(context, call, &JobArgs::default(), "funnel").await?);
    let Some(settled) = settled else {
        return Ok(hw_api::ExitCode::Done);
    };
    print(context, &data, &settled, format)?;
    Ok(settled.exit)
}

/// Registers the table anew: the files may be those of a newer program, and the same ones do no harm.
async fn register(context: &mut Context, data: &DemoData) -> Result<(), Ending> {
    let request = RegisterRequest {
        name: data.table.clone(),
        path: data.path.to_string_lossy().into_owned(),
        group: Some(data.group.clone()),
        time: Some(data.time.clone()),
        pattern: None,
        recursive: None,
        groups: None,
        validation: Some("all".to_owned()),
        validate_uniques: None,
    };
    let call = Call::post(&["tables"]).json(&request)?;
    run_job(context, call, &JobArgs::default(), "registering").await?;
    Ok(())
}

/// A demo never asks to be detached.
fn settled(outcome: Outcome) -> Option<Box<Settled>> {
    match outcome {
        Outcome::Settled(settled) => Some(settled),
        Outcome::Detached { .. } => None,
    }
}

fn print(context: &mut Context, data: &DemoData, settled: &Settled, format: Format) -> Result<(), Ending> {
    let result: FunnelResult = parse(&settled.result)?;
    match format {
        _ if context.console.quiet => return context.console.line(&settled.job.id),
        Format::Table => {
            let text = chart(&result, &data.query, context.console.layout());
            context.console.data(text)?;
        }
        Format::Csv => context.console.data(csv(&result))?,
        Format::Svg | Format::Html => {
            let picture = Picture {
                title: &data.table,
                query: &data.query,
                result: &result,
            };
            context.console.data(draw(&picture, format))?;
        }
        format => machine_document(context, &settled.result, format)?,
    }
    let style = context.console.error_style;
    let stats = stats_line(&result);
    if !stats.is_empty() {
        context.console.note(style.faint(stats).to_string());
    }
    tell_next(context, data);
    Ok(())
}

fn tell_next(context: &mut Context, data: &DemoData) {
    let options = context.follow_up_options.clone();
    let query_file = data.query_file.to_string_lossy();
    let next = [
        format!("headwater{options} table show {}", quoted(&data.table)),
        format!("headwater{options} sql {}", quoted(&data.sql)),
        command_line(&data.table, &query_file, &options),
        format!("headwater{options} sql"),
    ];
    context.console.note("\nNext, try:");
    for command in next {
        context.console.note(format!("  {command}"));
    }
    context
        .console
        .note(format!("Where the data are from: {}", data.readme.display()));
}
