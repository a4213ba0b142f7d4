//! `headwater table`.

use hw_api::{
    ColumnDocument, ExitCode, ExportRequest, JobDocument, PartDocument, RegisterRequest, RepartitionRequest,
    TableDocument,
};
use serde::Deserialize;
use serde_json::Value;

use crate::args::{ExportArgs, Format, JobArgs, Page, RegisterArgs, RepartitionArgs, TableVerb};
use crate::client::{Call, parse};
use crate::console::Answer;
use crate::context::{Context, Ended, quoted};
use crate::failure::{Ending, Failure};
use crate::render::figures::{bytes, count, counted, number, time};
use crate::render::grid::{Cell, Grid};
use crate::render::text::{printable, printable_lines};
use crate::verbs::funnel::detached;
use crate::verbs::lists::{Range, document, list, machine_document};
use crate::verbs::running::{Outcome, run_job};

pub(crate) async fn run(context: &mut Context, verb: TableVerb) -> Ended {
    match verb {
        TableVerb::Register(args) => register(context, &args).await,
        TableVerb::Repartition(args) => repartition(context, &args).await,
        TableVerb::Export(args) => export(context, &args).await,
        TableVerb::Drop {
            name,
            force,
            may_be_absent,
        } => drop_table(context, &name, force, may_be_absent).await,
        verb => {
            let interrupts = context.interrupts.clone();
            Context::until_interrupted(interrupts, look(context, verb)).await
        }
    }
}

async fn look(context: &mut Context, verb: TableVerb) -> Ended {
    match verb {
        TableVerb::List(page) => {
            list::<TableDocument>(context, || Call::get(&["tables"]), page.range()).await?;
        }
        TableVerb::Show { name, parts: true, .. } => {
            list::<PartDocument>(context, || Call::get(&["tables", &name, "parts"]), Range::default()).await?;
        }
        TableVerb::Show { name, full, .. } => show(context, &name, full).await?,
        TableVerb::Runs { name, page } => {
            let call = || Call::get(&["jobs"]).query_if("table", name.as_deref());
            list::<JobDocument>(context, call, page.range()).await?;
        }
        TableVerb::Register(args) => return register(context, &args).await,
        TableVerb::Repartition(args) => return repartition(context, &args).await,
        TableVerb::Export(args) => return export(context, &args).await,
        TableVerb::Drop {
            name,
            force,
            may_be_absent,
        } => return drop_table(context, &name, force, may_be_absent).await,
    }
    Ok(ExitCode::Done)
}

impl Page {
    /// Where the list begins and ends.
    pub(crate) fn range(&self) -> Range<'_> {
        Range {
            limit: self.limit,
            page: self.page.as_deref(),
            whole: false,
        }
    }
}

/// The request of `table register`.
pub(crate) fn register_request(context: &Context, args: &RegisterArgs) -> RegisterRequest {
    RegisterRequest {
        name: args.name.clone(),
        path: context.absolute(&args.path),
        group: args.group.clone(),
        time: args.time.clone(),
        pattern: args.pattern.clone(),
        recursive: args.recursive.then_some(true),
        groups: args.groups.map(|groups| groups.name().to_owned()),
        validation: args.validation.map(|validation| validation.name().to_owned()),
        validate_uniques: args.skip_uniques.then_some(false),
    }
}

async fn register(context: &mut Context, args: &RegisterArgs) -> Ended {
    let format = context.console.plain_format(Answer::Document)?;
    let request = register_request(context, args);
    let call = Call::post(&["tables"]).json(&request)?;
    let title = format!("registering {}", args.name);
    match run_job(context, call, &args.job, &title).await? {
        Outcome::Detached { id, text } => detached(context, &id, &text),
        Outcome::Settled(settled) => {
            match format {
                _ if context.console.quiet => context.console.line(&args.name)?,
                Format::Table => tell_registered(context, args).await?,
                format => machine_document(context, &settled.result, format)?,
            }
            Ok(settled.exit)
        }
    }
}

/// What is shown of a repartitioning's result.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RepartitionResult {
    table: String,
    mode: String,
    rows: u64,
    bytes: u64,
    parts: u64,
    parts_written: u64,
    source_parts_taken: u64,
    source_rows_taken: u64,
}

async fn repartition(context: &mut Context, args: &RepartitionArgs) -> Ended {
    let format = context.console.plain_format(Answer::Document)?;
    let request = RepartitionRequest {
        to: args.to.clone(),
        group: args.group.clone(),
        time: args.time.clone(),
        parts: args.parts,
        row_group_rows: args.row_group_rows,
    };
    let call = Call::post(&["tables", &args.name, "repartition"]).json(&request)?;
    let title = format!("repartitioning {}", args.name);
    match run_job(context, call, &args.job, &title).await? {
        Outcome::Detached { id, text } => detached(context, &id, &text),
        Outcome::Settled(settled) => {
            let result: RepartitionResult = parse(&settled.result)?;
            match format {
                _ if context.console.quiet => context.console.line(&result.table)?,
                Format::Table => tell_repartitioned(context, &result)?,
                format => machine_document(context, &settled.result, format)?,
            }
            Ok(settled.exit)
        }
    }
}

fn tell_repartitioned(context: &mut Context, result: &RepartitionResult) -> Result<(), Ending> {
    let name = printable(&result.table);
    let extent = format!(
        "{} in {}, {}",
        counted(result.rows, "row"),
        counted(result.parts, "part"),
        bytes(result.bytes)
    );
    let line = match result.mode.as_str() {
        "unchanged" => format!("table `{name}` holds all rows already: {extent}"),
        "incremental" => format!(
            "table `{name}` took in {} of {}: {extent}, {} written",
            counted(result.source_rows_taken, "row"),
            counted(result.source_parts_taken, "new part"),
            counted(result.parts_written, "part"),
        ),
        _ => format!("made table `{name}`: {extent}"),
    };
    context.console.line(line)?;
    let options = &context.follow_up_options;
    context.console.note(format!(
        "try: headwater{options} funnel run {} --empty",
        quoted(&result.table)
    ));
    Ok(())
}

/// What is shown of an export's result.
#[derive(Deserialize)]
struct ExportResult {
    to: String,
    files: Vec<String>,
    rows: u64,
    bytes: u64,
}

async fn export(context: &mut Context, args: &ExportArgs) -> Ended {
    let format = context.console.plain_format(Answer::Document)?;
    let request = ExportRequest {
        to: context.absolute(&args.to),
        format: args.form.map(|form| form.name().to_owned()),
        columns: (!args.columns.is_empty()).then(|| args.columns.clone()),
        filter: args.filter.clone(),
        rows_per_file: args.rows_per_file,
        overwrite: args.overwrite.then_some(true),
    };
    let call = Call::post(&["tables", &args.name, "export"]).json(&request)?;
    let title = format!("exporting {}", args.name);
    match run_job(context, call, &args.job, &title).await? {
        Outcome::Detached { id, text } => detached(context, &id, &text),
        Outcome::Settled(settled) => {
            let result: ExportResult = parse(&settled.result)?;
            match format {
                _ if context.console.quiet => context.console.line(printable(&result.to))?,
                Format::Table => context.console.line(format!(
                    "wrote {} to `{}`: {}, {}",
                    counted(result.rows, "row"),
                    printable(&result.to),
                    counted(result.files.len() as u64, "file"),
                    bytes(result.bytes)
                ))?,
                format => machine_document(context, &settled.result, format)?,
            }
            Ok(settled.exit)
        }
    }
}

async fn tell_registered(context: &mut Context, args: &RegisterArgs) -> Result<(), Ending> {
    let table: TableDocument = context
        .client
        .document(Call::get(&["tables", &args.name]))
        .await?
        .parse()?;
    let line = format!("registered table `{}`: {}", printable(&table.name), extent(&table));
    context.console.line(line)?;
    if !table.unsupported.is_empty() {
        let names: Vec<&str> = table.unsupported.iter().map(|column| column.name.as_str()).collect();
        context
            .console
            .warn(format!("funnels cannot use: {}", printable(&names.join(", "))));
    }
    let options = &context.follow_up_options;
    let next = match table.group_column.is_some() && table.time_column.is_some() {
        true => format!("try: headwater{options} funnel run {} --empty", quoted(&table.name)),
        false => format!("try: headwater{options} table show {}", quoted(&table.name)),
    };
    context.console.note(next);
    Ok(())
}

/// `334,264 rows in 4 parts, 3.6 MB`.
fn extent(table: &TableDocument) -> String {
    let rows = table.rows.map(|rows| counted(rows, "row"));
    let parts = table.parts.map(|parts| counted(parts, "part"));
    let extent: Vec<String> = [rows, parts].into_iter().flatten().collect();
    format!("{}, {}", extent.join(" in "), bytes(table.bytes))
        .trim_start_matches([',', ' '])
        .to_owned()
}

async fn show(context: &mut Context, name: &str, full: bool) -> Result<(), Ending> {
    let call = Call::get(&["tables", name]).query_if("full", full.then_some("true"));
    let answer = context.client.document(call).await?;
    document(context, &answer, name, |context| {
        let table: TableDocument = answer.parse()?;
        let layout = context.console.layout();
        let facts = facts(&table).render(layout);
        let columns = columns(&table.columns, full).render(layout);
        let mut text = format!("{facts}\n{columns}");
        if let Some(query) = &table.query {
            text.push_str(&format!("\n{}\n", printable_lines(query)));
        }
        if !table.unsupported.is_empty() {
            let mut grid = Grid::new(&["not for funnels", "why"]);
            for column in &table.unsupported {
                grid.row(vec![Cell::new(&column.name), Cell::new(&column.reason)]);
            }
            text.push_str(&format!("\n{}", grid.render(layout)));
        }
        Ok(text)
    })
}

fn facts(table: &TableDocument) -> Grid {
    let mut grid = Grid::new(&["", ""]);
    let containment = match (table.groups.as_str(), table.containment_proven) {
        ("contained", true) => "each group in one part, proven",
        ("contained", false) => "each group in one part, relied upon",
        _ => "groups may straddle parts",
    };
    let facts: [(&str, Option<String>); 12] = [
        ("table", Some(table.name.clone())),
        ("kind", Some(format!("{}, version {}", table.kind, table.version))),
        ("extent", (table.kind != "view").then(|| extent(table))),
        ("reads", (!table.reads.is_empty()).then(|| table.reads.join(", "))),
        ("location", table.location.clone()),
        ("pattern", table.pattern.clone()),
        (
            "group",
            table
                .group_column
                .as_ref()
                .map(|group| format!("{group} ({containment})")),
        ),
        ("time", table.time_column.clone()),
        (
            "sorted by",
            (!table.sorted_by.is_empty()).then(|| table.sorted_by.join(", ")),
        ),
        ("registered", Some(registered(table))),
        ("last used", table.last_used_at.as_deref().map(time)),
        ("comment", table.comment.clone()),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            grid.row(vec![Cell::new(name), Cell::new(value)]);
        }
    }
    grid
}

fn registered(table: &TableDocument) -> String {
    let at = time(&table.registered_at);
    match &table.origin {
        Some(job) => format!("{at} by job {job}"),
        None => at,
    }
}

fn columns(columns: &[ColumnDocument], full: bool) -> Grid {
    let heads: &[&'static str] = match full {
        true => &[
            "column",
            "type",
            "sql type",
            "min",
            "max",
            ">nulls",
            ">distinct per row",
            "most frequent",
        ],
        false => &["column", "type", "sql type", "min", "max", ">nulls"],
    };
    let mut grid = Grid::new(heads);
    for column in columns {
        let mut cells = vec![
            Cell::new(&column.name),
            Cell::maybe(column.column_type.as_deref()),
            Cell::new(&column.sql_type),
            Cell::maybe(column.min.as_ref().map(plain)),
            Cell::maybe(column.max.as_ref().map(plain)),
            Cell::maybe(column.null_count.map(count)),
        ];
        if full {
            cells.push(Cell::maybe(column.unique_ratio.map(number)));
            cells.push(Cell::new(top_values(column)));
        }
        grid.row(cells);
    }
    grid
}

fn top_values(column: &ColumnDocument) -> String {
    let share = |share: &Value| {
        share
            .as_f64()
            .map_or_else(String::new, |share| format!(" {:.1}%", share * 100.0))
    };
    let values: Vec<String> = (column.top_values.iter())
        .map(|(value, part)| format!("{value}{}", share(part)))
        .collect();
    values.join(", ")
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// What is shown of a drop's result.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DropResult {
    #[serde(default)]
    dataset_found: bool,
}

async fn drop_table(context: &mut Context, name: &str, force: bool, may_be_absent: bool) -> Ended {
    let format = context.console.plain_format(Answer::Document)?;
    let interrupts = context.interrupts.clone();
    Context::until_interrupted(interrupts, confirm_drop(context, name)).await?;
    let call = Call::delete(&["tables", name]).query_if("force", force.then_some("true"));
    let title = format!("dropping {name}");
    let (result, exit) = match run_job(context, call, &JobArgs::default(), &title).await {
        Ok(Outcome::Settled(settled)) => (settled.result, settled.exit),
        Ok(_) => return Ok(ExitCode::Done),
        Err(Ending::Failure(failure)) if may_be_absent && failure.problem.status == 404 => {
            let nothing = serde_json::json!({"success": true, "datasetFound": false});
            (nothing.to_string(), ExitCode::Done)
        }
        Err(ending) => return Err(ending),
    };
    let found = parse::<DropResult>(&result)?.dataset_found;
    match format {
        _ if context.console.quiet => context.console.line(name)?,
        Format::Table if found => context.console.line(format!("dropped table `{}`", printable(name)))?,
        Format::Table => context
            .console
            .line(format!("there was no table `{}`", printable(name)))?,
        format => machine_document(context, &result, format)?,
    }
    Ok(exit)
}

/// Names what is lost and asks. Of a table that is not there nothing is lost.
async fn confirm_drop(context: &mut Context, name: &str) -> Result<(), Ending> {
    if context.console.yes {
        return Ok(());
    }
    let answer = context.client.document(Call::get(&["tables", name])).await;
    let table: TableDocument = match answer {
        Ok(document) => document.parse()?,
        Err(Failure { problem, .. }) if problem.status == 404 => return Ok(()),
        Err(failure) => return Err(failure.into()),
    };
    let name = printable(&table.name);
    let what = match table.kind.as_str() {
        "view" => format!("view `{name}`"),
        kind => format!("table `{name}` ({kind}, {})", extent(&table)),
    };
    let question = match table.kind.as_str() {
        "view" => format!("drop {what}? What it reads stays."),
        "dataset" | "lake" => format!("drop {what}? Its files stay where they are."),
        _ => format!("drop {what}? Its rows are lost."),
    };
    context.console.confirm(&question, &what)
}
