//! A funnel named in SQL: its arguments, held against the relation and the query language, become a table.

use std::sync::Arc;

use arrow_schema::{DataType, Schema};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use hw_catalog::{Part, Table, TableKind};
use hw_funnel::{Dataset, FindingKind, GroupExport, Query, validate_text};
use serde_json::Value;

use super::run::Source;
use super::table::{Answered, FunnelTable};
use super::{FunnelInput, FunnelRelation, FunnelScan, FunnelWork, dataset_of, dataset_of_schema};
use crate::catalog::StatementCatalog;
use crate::error::{FunnelCode, Place, QueryError, StatementFault, StatementFaultKind};
use crate::statement::{Argument, FunnelCall, FunnelFunction, Given};
use crate::yielding::CancelFlag;

/// Makes the tables that calls stand for, and puts them into the catalog.
///
/// `values` stand for the statement's placeholders; the statement is `depth` views deep.
///
/// # Errors
/// [`QueryError::Statement`] with every fault of every call: relations and columns that there are not, and all that
/// validation finds in the queries.
pub(crate) async fn add_funnels(
    catalog: &Arc<StatementCatalog>,
    calls: &[FunnelCall],
    values: &[ScalarValue],
    depth: usize,
) -> Result<(), QueryError> {
    let mut faults = Vec::new();
    for call in calls {
        match made(catalog, call, values, depth).await {
            Ok(table) => catalog.put_funnel(&call.name, Arc::new(table)),
            Err(QueryError::Statement(found)) => faults.extend(found),
            Err(other) => return Err(other),
        }
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err(QueryError::Statement(faults)),
    }
}

async fn made(
    catalog: &Arc<StatementCatalog>,
    call: &FunnelCall,
    values: &[ScalarValue],
    depth: usize,
) -> Result<FunnelTable, QueryError> {
    let read = |argument: &Argument, what| text_of(argument, values, what);
    let relation = read(&call.relation, "the relation")?;
    let text = read(&call.query, "the query")?;
    let columns = match &call.columns {
        None => None,
        Some((group, time)) => Some([
            (read(group, "the group column")?, group.place),
            (read(time, "the time column")?, time.place),
        ]),
    };
    let step = call.step.as_ref().map(|step| step_of(step, values)).transpose()?;
    let found = found(catalog, &relation, columns, depth).await;
    let found = found.map_err(|error| at_place(error, call.relation.place))?;
    let validation = validate_text(&text, Some(&found.dataset));
    let steps = validation.query.as_ref().and_then(Query::funnel_steps).unwrap_or(0);
    let Some(query) = validation.query else {
        let findings = validation.findings.iter();
        let faults = findings.map(|finding| fault_of(finding, call.query.place));
        return Err(QueryError::Statement(faults.collect()));
    };
    let answered = answered(call, steps, step, &found, &validation.source)?;
    let export = match &answered {
        Answered::Steps { .. } => None,
        Answered::Groups { .. } => Some(step.unwrap_or(GroupExport::Last)),
    };
    let work = work(catalog, found.input(query.expanded().clone(), export));
    let source = found.source(&work, catalog)?;
    Ok(FunnelTable::new(
        catalog,
        work,
        source,
        Arc::new(query),
        relation,
        answered,
    ))
}

fn answered(
    call: &FunnelCall,
    steps: usize,
    step: Option<GroupExport>,
    found: &Found,
    document: &Value,
) -> Result<Answered, QueryError> {
    match call.function {
        FunnelFunction::Steps if steps == 0 => {
            let message = "the query has no `funnel`, so there are no steps";
            let fault = StatementFault::new(StatementFaultKind::Meaning, message).at(call.query.place);
            Err(fault
                .help("add one, or ask `funnel_groups` for the groups that match")
                .into())
        }
        FunnelFunction::Steps => Ok(Answered::Steps {
            labels: hw_chart::step_labels(document),
        }),
        FunnelFunction::Groups => {
            if let (Some(GroupExport::Step(step)), Some(argument)) = (step, &call.step)
                && !(1..=steps).contains(&step)
            {
                let kind = StatementFaultKind::Funnel(FunnelCode::of("HW-F018"), FindingKind::InvalidArguments);
                let fault = StatementFault::new(kind, format!("there is no step {step}, the funnel has {steps}"));
                let help = "name a step from 1 to the number of steps, or 'last'";
                return Err(fault.at(argument.place).help(help).into());
            }
            Ok(Answered::Groups {
                column: found.dataset.group_column.clone(),
                data_type: plain_type(found.group_type()),
            })
        }
    }
}

/// Ids come without their dictionary.
fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => values.as_ref().clone(),
        other => other.clone(),
    }
}

/// What a call is about.
struct Found {
    name: String,
    dataset: Dataset,
    rows: FoundRows,
}

/// Where the rows are.
enum FoundRows {
    /// In the parts of a table, whose own columns are taken.
    Parts(Arc<Table>, Vec<Part>),
    /// In a relation of which no more is known.
    Relation(Arc<dyn TableProvider>),
}

impl Found {
    /// What the operator is run over, at the version that the statement sees.
    fn source(&self, work: &FunnelWork, catalog: &StatementCatalog) -> Result<Source, QueryError> {
        match &self.rows {
            FoundRows::Parts(table, parts) => work.parts(catalog, table, parts),
            FoundRows::Relation(rows) => {
                let (group, time) = (&self.dataset.group_column, &self.dataset.time_column);
                Ok(work.whole(Arc::clone(rows), group, time))
            }
        }
    }

    fn group_type(&self) -> &DataType {
        let group = &self.dataset.group_column;
        let mut columns = self.dataset.columns.iter();
        let found = columns.find(|(name, _)| name == group);
        found.map_or(&DataType::Null, |(_, data_type)| data_type)
    }

    fn input(&self, query: Value, export: Option<GroupExport>) -> FunnelInput {
        match &self.rows {
            FoundRows::Parts(table, parts) => FunnelScan {
                table: Arc::clone(table),
                parts: parts.clone(),
                query,
                export,
            }
            .into(),
            FoundRows::Relation(_) => FunnelRelation {
                name: self.name.clone(),
                group: self.dataset.group_column.clone(),
                time: self.dataset.time_column.clone(),
                query,
                export,
            }
            .into(),
        }
    }
}

/// Group column and time column, and where the statement names them.
type GivenColumns = [(String, Option<Place>); 2];

/// Looks a relation up. Columns that are not given are the registered ones.
async fn found(
    catalog: &Arc<StatementCatalog>,
    relation: &str,
    columns: Option<GivenColumns>,
    depth: usize,
) -> Result<Found, QueryError> {
    let stored = catalog.stored_table(relation).await?;
    let registered = stored.as_ref().and_then(|stored| dataset_of(&stored.table));
    let is_own = |dataset: &Dataset| match &columns {
        None => true,
        Some([(group, _), (time, _)]) => *group == dataset.group_column && *time == dataset.time_column,
    };
    if let (Some(stored), Some(dataset)) = (&stored, &registered)
        && stored.table.kind == TableKind::Dataset
        && is_own(dataset)
    {
        return Ok(Found {
            name: relation.to_owned(),
            dataset: dataset.clone(),
            rows: FoundRows::Parts(Arc::clone(&stored.table), stored.parts.to_vec()),
        });
    }
    let rows = catalog.named_within(relation, depth).await?;
    let schema = rows.schema();
    let own = registered.map(|dataset| [(dataset.group_column, None), (dataset.time_column, None)]);
    let Some(columns) = columns.or(own) else {
        return Err(without_columns(relation).into());
    };
    let faults = missing_columns(&schema, &columns);
    let [(group, _), (time, _)] = columns;
    match faults.is_empty() {
        true => Ok(Found {
            name: relation.to_owned(),
            dataset: dataset_of_schema(&schema, &group, &time),
            rows: FoundRows::Relation(rows),
        }),
        false => Err(QueryError::Statement(faults)),
    }
}

fn without_columns(relation: &str) -> StatementFault {
    let kind = StatementFaultKind::Funnel(FunnelCode::of("HW-F005"), FindingKind::InvalidArguments);
    StatementFault::new(
        kind,
        format!("no group column and time column are known of `{relation}`"),
    )
    .help("name both after the query: funnel(relation, query, 'group column', 'time column')")
}

fn missing_columns(schema: &Schema, [group, time]: &GivenColumns) -> Vec<StatementFault> {
    let names = || schema.fields().iter().map(|field| field.name().as_str());
    let asked = [("group", group), ("time", time)];
    let missing = asked.iter().filter(|(_, (column, _))| schema.index_of(column).is_err());
    let fault = |(what, (column, place)): &(&str, &(String, Option<Place>))| {
        let message = format!("there is no {what} column `{column}`");
        let fault = StatementFault::new(StatementFaultKind::Column, message).at(*place);
        match hw_catalog::closest(column, names()) {
            Some(near) => fault.help(format!("did you mean `{near}`?")),
            None => fault.help("columns are named as they are stored, in their own case"),
        }
    };
    missing.map(fault).collect()
}

/// Faults without a place of their own are told at the argument.
fn at_place(error: QueryError, place: Option<Place>) -> QueryError {
    match error {
        QueryError::Statement(mut faults) => {
            for fault in &mut faults {
                fault.place = fault.place.or(place);
            }
            QueryError::Statement(faults)
        }
        other => other,
    }
}

/// A finding in the query, at its pointer within the query and at the place of the query within the statement.
fn fault_of(finding: &hw_funnel::Finding, place: Option<Place>) -> StatementFault {
    let kind = StatementFaultKind::Funnel(FunnelCode::of(finding.code), finding.kind);
    let message = match finding.position {
        Some((line, column)) => format!("{} (line {line}, column {column} of the query)", finding.message),
        None => finding.message.clone(),
    };
    let mut fault = StatementFault::new(kind, message).at(place);
    fault.pointer = finding.position.is_none().then(|| finding.pointer.clone());
    fault.help.clone_from(&finding.help);
    fault
}

/// The value of a placeholder, which is counted from 1.
fn value_of(number: usize, values: &[ScalarValue]) -> Option<&ScalarValue> {
    values.get(number.checked_sub(1)?)
}

fn text_of(argument: &Argument, values: &[ScalarValue], what: &str) -> Result<String, QueryError> {
    let text = match &argument.given {
        Given::Text(text) | Given::Name(text) => Some(text.clone()),
        Given::Number(_) => None,
        Given::Placeholder(number) => match value_of(*number, values) {
            Some(ScalarValue::Utf8(Some(text))) => Some(text.clone()),
            _ => None,
        },
    };
    text.ok_or_else(|| {
        let fault = StatementFault::new(StatementFaultKind::Meaning, format!("{what} of a funnel is a text"));
        fault.at(argument.place).help("put it into single quotes").into()
    })
}

fn step_of(argument: &Argument, values: &[ScalarValue]) -> Result<GroupExport, QueryError> {
    let text = match &argument.given {
        Given::Text(text) | Given::Number(text) => text.clone(),
        Given::Placeholder(number) => value_of(*number, values).map(ToString::to_string).unwrap_or_default(),
        Given::Name(_) => String::new(),
    };
    if text == "last" {
        return Ok(GroupExport::Last);
    }
    text.parse().map(GroupExport::Step).map_err(|_| {
        let fault = StatementFault::new(
            StatementFaultKind::Meaning,
            "the step of a funnel is 1, 2, ... or 'last'",
        );
        let help = "write funnel_groups(relation, query, 2), or leave it away for the last step";
        fault.at(argument.place).help(help).into()
    })
}

fn work(catalog: &StatementCatalog, input: FunnelInput) -> FunnelWork {
    FunnelWork {
        engine: catalog.engine().clone(),
        input: catalog.input().clone(),
        config: catalog.config(),
        scan: input,
        counters: Arc::clone(&catalog.counters),
        cancelled: CancelFlag::default(),
        standing: None,
    }
}
