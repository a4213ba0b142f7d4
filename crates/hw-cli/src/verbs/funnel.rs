//! `headwater funnel`.

use hw_api::{ExitCode, FunnelExplainDocument};
use hw_chart::{FunnelResult, Picture};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::args::{ExplainArgs, Format, FunnelVerb, RunArgs, Step, ValidateArgs, names_a_file};
use crate::client::{Call, parse};
use crate::console::Answer;
use crate::context::{Context, Ended, quoted};
use crate::failure::{ClientError, Ending, Failure};
use crate::render::diagnostic;
use crate::render::explained::explained_funnel;
use crate::render::funnel::{chart, csv, stats_line};
use crate::render::json::pretty;
use crate::verbs::lists::machine_document;
use crate::verbs::query::Query;
use crate::verbs::running::{Outcome, Settled, run_job};

pub(crate) async fn run(context: &mut Context, verb: FunnelVerb) -> Ended {
    match verb {
        FunnelVerb::Run(args) => run_funnel(context, &args).await,
        FunnelVerb::Validate(args) => {
            let interrupts = context.interrupts.clone();
            Context::until_interrupted(interrupts, validate(context, &args)).await
        }
        FunnelVerb::Explain(args) => {
            let interrupts = context.interrupts.clone();
            Context::until_interrupted(interrupts, explain(context, &args)).await
        }
    }
}

/// [`hw_api::FunnelRequest`] whose query goes out as the user wrote it: numbers keep their digits, keys their order.
#[derive(Serialize)]
struct FunnelBody<'a> {
    table: String,
    query: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    export: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache: Option<bool>,
}

async fn run_funnel(context: &mut Context, args: &RunArgs) -> Ended {
    let format = context.console.funnel_format()?;
    if args.job.detach && matches!(format, Format::Svg | Format::Html) {
        return Err(no_picture_yet(format));
    }
    let query = Query::load(context, &args.query)?;
    let body = FunnelBody {
        table: table_of(context, &args.table, args.group.is_some() || args.time.is_some()),
        query: query.document()?,
        group: args.group.as_deref(),
        time: args.time.as_deref(),
        export: export(context, args),
        cache: args.no_cache.then_some(false),
    };
    let call = Call::post(&["funnels", "run"]).json(&body)?;
    let title = format!("funnel over {}", args.table);
    let outcome = run_job(context, call, &args.job, &title).await;
    match outcome.map_err(|ending| ending.within(&query.source))? {
        Outcome::Detached { id, text } => detached(context, &id, &text),
        Outcome::Settled(settled) => {
            print_result(context, &settled, args, &query.value(), format)?;
            Ok(settled.exit)
        }
    }
}

/// A registered table goes by its name; files, which take a group and a time column, by an absolute path.
fn table_of(context: &Context, table: &str, has_columns: bool) -> String {
    match has_columns && (names_a_file(table) || context.absolute_path(table.as_ref()).exists()) {
        true => context.absolute(table),
        false => table.to_owned(),
    }
}

fn export(context: &Context, args: &RunArgs) -> Option<Value> {
    let target = args.export_groups.as_deref()?;
    let mut export = match names_a_file(target) {
        true => json!({ "file": context.absolute(target) }),
        false => json!({ "table": target }),
    };
    if let (Some(step), Some(members)) = (args.step, export.as_object_mut()) {
        let step = match step {
            Step::Number(number) => json!(number),
            Step::Last => json!("last"),
        };
        members.insert("step".to_owned(), step);
    }
    if let (true, Some(members)) = (args.replace, export.as_object_mut()) {
        members.insert("replace".to_owned(), json!(true));
    }
    Some(export)
}

/// Prints a job that goes on at the server.
pub(crate) fn detached(context: &mut Context, id: &str, text: &str) -> Ended {
    match context.console.plain_format(Answer::Document)? {
        _ if context.console.quiet => context.console.line(id)?,
        Format::Table => {
            context.console.line(id)?;
            context
                .console
                .note(format!("the job goes on at the server: `headwater job wait {id}`"));
        }
        format => machine_document(context, text, format)?,
    }
    Ok(ExitCode::Done)
}

/// A job that goes on at the server has nothing to draw.
fn no_picture_yet(format: Format) -> Ending {
    let name = format.name();
    ClientError::Usage {
        reason: format!("`--detach` does not wait for a result that `--format {name}` could draw"),
        help: Some(format!("draw it later: `headwater job show ID --format {name}`")),
    }
    .into()
}

fn print_result(
    context: &mut Context,
    settled: &Settled,
    args: &RunArgs,
    query: &Value,
    format: Format,
) -> Result<(), Ending> {
    if context.console.quiet {
        return context.console.line(&settled.job.id);
    }
    match format {
        Format::Table => {
            let result: FunnelResult = parse(&settled.result)?;
            let text = chart(&result, query, context.console.layout());
            context.console.data(text)?;
            let line = [stats_line(&result), answered_by(settled)].join(" · ");
            context.console.note(
                context
                    .console
                    .error_style
                    .faint(line.trim_matches([' ', '·']))
                    .to_string(),
            );
            Ok(())
        }
        Format::Csv => {
            let result: FunnelResult = parse(&settled.result)?;
            context.console.data(csv(&result))
        }
        Format::Svg | Format::Html => {
            let picture = Picture {
                title: &args.table,
                query,
                result: &parse(&settled.result)?,
            };
            context.console.data(draw(&picture, format))
        }
        format => machine_document(context, &settled.result, format),
    }
}

/// A page, or the bare picture.
pub(crate) fn draw(picture: &Picture<'_>, format: Format) -> String {
    match format {
        Format::Html => picture.html(),
        _ => picture.svg(),
    }
}

fn answered_by(settled: &Settled) -> String {
    match &settled.job.cached_from {
        Some(job) => format!("as answered before by job {job} (--no-cache runs it again)"),
        None => format!("job {}", settled.job.id),
    }
}

/// [`hw_api::FunnelExplainRequest`] whose query goes out as the user wrote it.
#[derive(Serialize)]
struct ExplainBody<'a> {
    table: String,
    query: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'a str>,
    analyze: bool,
}

async fn explain(context: &mut Context, args: &ExplainArgs) -> Ended {
    let format = context.console.plain_format(Answer::Document)?;
    let query = Query::load(context, &args.query)?;
    let body = ExplainBody {
        table: table_of(context, &args.table, args.group.is_some() || args.time.is_some()),
        query: query.document()?,
        group: args.group.as_deref(),
        time: args.time.as_deref(),
        analyze: args.analyze,
    };
    let call = Call::post(&["funnels", "explain"]).json(&body)?;
    let document = context.client.document(call).await;
    let document = document.map_err(|ending| ending.within(&query.source))?;
    let explained: FunnelExplainDocument = document.parse()?;
    match format {
        _ if context.console.quiet => context.console.line(&explained.way)?,
        Format::Table => {
            let text = explained_funnel(&explained, context.console.layout());
            context.console.data(text)?;
        }
        format => machine_document(context, &document.text, format)?,
    }
    Ok(ExitCode::Done)
}

/// What is shown of a validation document.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Validation {
    success: bool,
    error_message: Option<String>,
    #[serde(default)]
    errors: Vec<hw_api::ProblemError>,
    #[serde(default)]
    warnings: Vec<hw_api::ProblemError>,
    expanded_query: Option<Box<RawValue>>,
    #[serde(default)]
    used_columns: Vec<String>,
}

async fn validate(context: &mut Context, args: &ValidateArgs) -> Ended {
    let format = context.console.plain_format(Answer::Document)?;
    let query = Query::load(context, &args.query)?;
    // A text that is no JSON goes out as a text: its faults are findings like others.
    let body = match query.document() {
        Ok(document) => json!({ "table": args.table, "query": document }),
        Err(_) => json!({ "table": args.table, "query": query.source.text }),
    };
    let call = Call::post(&["funnels", "validate"]).json(&without_null(body))?;
    let document = context.client.document(call).await?;
    let validation: Validation = document.parse()?;
    match (context.console.quiet, format) {
        (true, _) => {}
        (false, Format::Table) => show_validation(context, &validation, &query)?,
        (false, format) => machine_document(context, &document.text, format)?,
    }
    match validation.success {
        true => Ok(ExitCode::Done),
        false => Ok(ExitCode::BadInput),
    }
}

fn without_null(mut body: Value) -> Value {
    if let Some(members) = body.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    body
}

fn show_validation(context: &mut Context, validation: &Validation, query: &Query) -> Result<(), Ending> {
    for warning in &validation.warnings {
        let place = warning.pointer.as_deref().unwrap_or_default();
        context
            .console
            .warn(format!("{place}: {}", warning.message).trim_start_matches([':', ' ']));
    }
    if !validation.success {
        let failure = failure_of(validation).within(&query.source);
        let text = diagnostic::render(&failure, context.console.style);
        return context.console.line(text);
    }
    context.console.line("the query is good")?;
    if !validation.used_columns.is_empty() {
        context
            .console
            .line(format!("columns read: {}", validation.used_columns.join(", ")))?;
    }
    if let Some(expanded) = &validation.expanded_query {
        context
            .console
            .line(format!("as it will be understood:\n{}", pretty(expanded.get())))?;
    }
    Ok(())
}

fn failure_of(validation: &Validation) -> Failure {
    let code = validation.errors.first().map_or("", |error| error.code.as_str());
    let detail = match (&validation.error_message, validation.errors.len()) {
        (Some(message), 0 | 1) => message.clone(),
        (_, 1) => "the query has a fault".to_owned(),
        (_, count) => format!("the query has {count} faults"),
    };
    let mut problem = hw_api::Problem::new(422, code, "the query has faults", detail);
    problem.errors.clone_from(&validation.errors);
    problem.into()
}

/// The command that asks the same question again.
pub(crate) fn command_line(table: &str, file: &str, options: &str) -> String {
    format!(
        "headwater{options} funnel run {} --file {}",
        quoted(table),
        quoted(file)
    )
}
