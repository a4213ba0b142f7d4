//! Views: what is to be kept of one, and putting one into a statement.
//!
//! A view has the columns that it had when it was made, whatever what it reads has now: columns that were added do not show,
//! and one that is gone is told. Its query is planned with the rights of whoever reads it, so that it opens no file that its
//! reader could not name.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::common::{Column, DataFusionError};
use datafusion::datasource::ViewTable;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion::sql::sqlparser::tokenizer::{Span, Token};
use futures::FutureExt;
use futures::future::BoxFuture;
use hw_catalog::{ColumnType, TableName, TableVersion, View, closest, widened};
use hw_files::Location;

use super::{Names, StatementCatalog, key_of, locked, looks_like_file};
use crate::engine::Limits;
use crate::error::{Place, QueryError, StatementFault, StatementFaultKind, classify};
use crate::funnel::with_readable_names;
use crate::rows::duplicates;
use crate::statement::{self, Argument, CheckedStatement, Given, StatementKind, ViewDefinition, Written, take_funnels};
use crate::tables::StoredTable;
use crate::unplanned::faults_of;

/// Views within views.
const VIEW_DEPTH_MAX: usize = 16;

/// Longest text of a view's query, in bytes.
const VIEW_BYTES_MAX: usize = 256 << 10;

const HELP_BROKEN: &str = "make it anew with CREATE OR REPLACE VIEW, or drop it with DROP VIEW";

/// A view that may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinedView {
    /// Its columns.
    pub schema: Schema,
    /// Its query, in which the names of files are absolute.
    pub view: View,
    /// The tables that it reads, those behind other views among them, and the version of each when it was planned.
    pub pinned: Vec<(TableName, TableVersion)>,
}

impl StatementCatalog {
    /// The table that stands for a view in a statement, which is `depth` views deep.
    pub(super) fn view<'a>(
        &'a self,
        stored: &'a StoredTable,
        depth: usize,
    ) -> BoxFuture<'a, Result<Arc<dyn TableProvider>, QueryError>> {
        async move {
            let name = &stored.table.name;
            self.check_chain(name, depth)?;
            locked(&self.opening).push(name.clone());
            let opened = self.opened(stored, depth).await;
            locked(&self.opening).pop();
            opened
        }
        .boxed()
    }

    /// A view that reads itself can only come about where two are replaced at the same time.
    fn check_chain(&self, name: &TableName, depth: usize) -> Result<(), StatementFault> {
        let message = if locked(&self.opening).contains(name) {
            format!("view `{name}` reads itself")
        } else if depth >= VIEW_DEPTH_MAX {
            format!("view `{name}` is nested more than {VIEW_DEPTH_MAX} deep")
        } else {
            return Ok(());
        };
        let fault = StatementFault::new(StatementFaultKind::Size, message);
        Err(fault.help("let it read tables instead of other views"))
    }

    async fn opened(&self, stored: &StoredTable, depth: usize) -> Result<Arc<dyn TableProvider>, QueryError> {
        let broken = |error: QueryError| match error {
            QueryError::Statement(faults) => broken_view(stored, &faults).into(),
            other => other,
        };
        let sql = stored.query.as_deref().unwrap_or_default();
        let state = locked(&self.state).clone();
        let Some(state) = state else {
            return Err(QueryError::internal("a view met outside of planning"));
        };
        let limits = self.engine.limits();
        let mut checked = statement::check(sql, limits).map_err(broken)?;
        let Some(own) = self.own.upgrade() else {
            return Err(QueryError::internal("a view outlived its statement"));
        };
        let prepared = own.prepare(&mut checked, sql, &state, &[], depth + 1).await;
        prepared.map_err(broken)?;
        let weight = self.weigh(&checked.parsed).map_err(|fault| broken(fault.into()))?;
        let name = &stored.table.name;
        let key = (name.schema().to_owned(), name.name().to_owned());
        locked(&self.weights).insert(key, weight);
        let failed = |error| broken(classify(error, sql, limits));
        let plan = state
            .statement_to_plan(checked.parsed)
            .await
            .and_then(with_readable_names);
        let plan = plan.map_err(failed)?;
        let plan = match &stored.table.view {
            Some(view) => own_columns(plan, view, &stored.table.schema).map_err(broken)?,
            None => plan,
        };
        Ok(Arc::new(ViewTable::new(plan, Some(sql.to_owned()))))
    }

    /// What is to be kept of a view, and the plan of its query.
    ///
    /// # Errors
    /// [`QueryError::Statement`] with every fault of the query, or of the names beside it.
    pub(crate) async fn define(
        self: &Arc<Self>,
        definition: &ViewDefinition,
        state: &SessionState,
    ) -> Result<(DefinedView, LogicalPlan), QueryError> {
        let (sql, limits) = (&definition.query, self.engine.limits());
        let mut checked = statement::check(sql, limits)?;
        check_query(&checked, sql)?;
        let calls = take_funnels(&mut checked.parsed.clone(), sql, 0).map_err(QueryError::Statement)?;
        self.prepare(&mut checked, sql, state, &[], 1).await?;
        self.weigh(&checked.parsed)?;
        let relations: Vec<&Argument> = calls.iter().map(|call| &call.relation).collect();
        let named = self.named_by(&checked, &relations, state)?;
        let parsed = checked.parsed;
        let plan = match state.statement_to_plan(parsed.clone()).await {
            Ok(plan) => plan,
            Err(error) => return Err(faults_of(error, &parsed, sql, state, limits).await),
        };
        let pinned = self.pinned();
        if pinned.iter().any(|(read, _)| *read == definition.name) {
            return Err(reads_itself(definition).into());
        }
        let (columns, schema) = columns(&plan, definition)?;
        check_roles(definition, &schema)?;
        let view = View {
            query: named.absolute(sql, limits)?,
            columns,
            reads: named.reads,
            files: named.files.into_values().collect(),
        };
        Ok((DefinedView { schema, view, pinned }, plan))
    }

    /// The tables and files that the query names itself; all of them were looked up.
    fn named_by(
        &self,
        checked: &CheckedStatement,
        funnels: &[&Argument],
        state: &SessionState,
    ) -> Result<Named, QueryError> {
        let mut named = Named::default();
        let names = Names::of(checked, state)?;
        for relation in names.relations.iter().filter(|relation| names.means_table(relation)) {
            let Some((schema, name)) = key_of(&relation.name) else {
                continue;
            };
            let table = TableName::new(&schema, &name)
                .ok()
                .filter(|table| self.is_stored(table));
            match table {
                Some(table) => named.reads.push(table),
                None if relation.quoted && looks_like_file(&name) => {
                    let absolute = self.absolute(&name)?;
                    named.files.insert(name, absolute);
                }
                None => {}
            }
        }
        for relation in funnels {
            let (Given::Text(text) | Given::Name(text)) = &relation.given else {
                continue;
            };
            match text.parse::<TableName>().ok().filter(|table| self.is_stored(table)) {
                Some(table) => named.reads.push(table),
                None => drop(named.files.insert(text.clone(), self.absolute(text)?)),
            }
        }
        named.reads.sort();
        named.reads.dedup();
        Ok(named)
    }

    fn is_stored(&self, name: &TableName) -> bool {
        locked(&self.loaded).get(name).is_some_and(Option::is_some)
    }

    fn absolute(&self, text: &str) -> Result<String, QueryError> {
        let absolute = Location::absolute_selection(text, self.input.folder.as_deref());
        absolute.map_err(|error| {
            let fault = StatementFault::new(StatementFaultKind::FileNotFound, error.to_string());
            fault.help(error.help()).into()
        })
    }
}

/// What a query names.
#[derive(Default)]
struct Named {
    reads: Vec<TableName>,
    /// Files as they were written, and their absolute names.
    files: BTreeMap<String, String>,
}

impl Named {
    /// The query alone, with absolute names of files.
    ///
    /// A text in quotes may be the name of a file, or a value or a column of the same letters, and the parser does not tell
    /// where the names of files are. So marks are put in the place of all of them, and those that come out as relations are
    /// names of files.
    fn absolute(&self, sql: &str, limits: &Limits) -> Result<String, QueryError> {
        let tokens = statement::tokenize(sql)?;
        let quoted: Vec<(Range<usize>, char, &str)> = tokens
            .iter()
            .filter_map(|token| {
                let (quote, text) = quoted_text(&token.token)?;
                let file = self.files.get(text)?;
                Some((range_of(sql, token.span)?, quote, file.as_str()))
            })
            .collect();
        let marked = spliced(
            sql,
            quoted
                .iter()
                .enumerate()
                .map(|(at, (range, quote, _))| (range.clone(), *quote, mark(at))),
        );
        let found = relations_of(&marked, limits)?;
        let names = quoted.iter().enumerate().filter(|(at, _)| found.contains(&mark(*at)));
        let text = spliced(
            sql,
            names.map(|(_, (range, quote, file))| (range.clone(), *quote, (*file).to_owned())),
        );
        let only = statement::split_statements(&text)?.into_iter().next();
        let text = only.map(|only| only.text).unwrap_or_default();
        if text.len() <= VIEW_BYTES_MAX {
            return Ok(text);
        }
        let message = format!(
            "the query of the view has {} bytes, at most {VIEW_BYTES_MAX} are allowed",
            text.len()
        );
        let fault = StatementFault::new(StatementFaultKind::Size, message);
        Err(fault.help("put long lists of values into a file and join it").into())
    }
}

/// A text that nobody writes.
fn mark(at: usize) -> String {
    format!("\u{1}file.{at}")
}

fn quoted_text(token: &Token) -> Option<(char, &str)> {
    match token {
        Token::SingleQuotedString(text) => Some(('\'', text)),
        Token::Word(word) if word.quote_style.is_some() => Some(('"', &word.value)),
        _ => None,
    }
}

fn range_of(sql: &str, span: Span) -> Option<Range<usize>> {
    let start = Place::of(sql, span.start.line, span.start.column)?;
    let end = Place::of(sql, span.end.line, span.end.column)?;
    Some(usize::try_from(start.offset).ok()?..usize::try_from(end.offset).ok()?)
}

/// The text with other texts, in these quotes, at these places, which are in order.
fn spliced(sql: &str, texts: impl Iterator<Item = (Range<usize>, char, String)>) -> String {
    let mut spliced = String::with_capacity(sql.len());
    let mut done = 0;
    for (range, quote, text) in texts {
        let doubled = text.replace(quote, &format!("{quote}{quote}"));
        spliced.push_str(sql.get(done..range.start).unwrap_or_default());
        spliced.push_str(&format!("{quote}{doubled}{quote}"));
        done = range.end;
    }
    spliced.push_str(sql.get(done..).unwrap_or_default());
    spliced
}

/// The names of all relations, those of funnels among them.
fn relations_of(sql: &str, limits: &Limits) -> Result<BTreeSet<String>, QueryError> {
    let mut checked = statement::check(sql, limits)?;
    let calls = take_funnels(&mut checked.parsed, sql, 0).map_err(QueryError::Statement)?;
    let of_funnels = calls.into_iter().filter_map(|call| match call.relation.given {
        Given::Text(text) => Some(text),
        Given::Name(_) | Given::Number(_) | Given::Placeholder(_) => None,
    });
    let relations = checked
        .relations
        .iter()
        .map(|relation| relation.name.table().to_owned());
    Ok(relations.chain(of_funnels).collect())
}

/// Refuses what is no query, and what a view could never be asked with.
fn check_query(checked: &CheckedStatement, sql: &str) -> Result<(), QueryError> {
    if checked.kind != StatementKind::Query {
        let start = statement::start_of(&statement::tokenize(sql)?, sql);
        let fault = StatementFault::new(StatementFaultKind::Refused, "a view is one query, and nothing else").at(start);
        return Err(fault.help("write SELECT, WITH or VALUES behind AS").into());
    }
    if checked.placeholders.is_empty() {
        return Ok(());
    }
    let tokens = statement::tokenize(sql)?.into_iter();
    let faults = tokens.filter_map(|token| {
        let Token::Placeholder(name) = &token.token else {
            return None;
        };
        let message = format!("`{name}` stands in a view, which takes no parameters");
        let place = Place::of(sql, token.span.start.line, token.span.start.column);
        let fault = StatementFault::new(StatementFaultKind::Parameter, message).at(place);
        Some(fault.help("write the value, or leave the condition to those who ask the view"))
    });
    Err(QueryError::Statement(faults.collect()))
}

fn reads_itself(definition: &ViewDefinition) -> StatementFault {
    let message = format!("view `{}` would read itself", definition.name);
    let fault = StatementFault::new(StatementFaultKind::Meaning, message).at(definition.place);
    fault.help("read what it reads now, `headwater table show NAME` tells it, or give the new one another name")
}

/// How the query names its columns, and the columns of the view.
fn columns(plan: &LogicalPlan, definition: &ViewDefinition) -> Result<(Vec<String>, Schema), QueryError> {
    let found: Vec<&Arc<Field>> = plan.schema().fields().iter().collect();
    let given = &definition.columns;
    if !given.is_empty() && given.len() != found.len() {
        let message = format!(
            "names are given for {} columns, but the query gives {}",
            given.len(),
            found.len()
        );
        let place = given.first().and_then(|column| column.place);
        let fault = StatementFault::new(StatementFaultKind::Column, message);
        return Err(placed(fault, place, "/columns")
            .help("name every column, or none")
            .into());
    }
    let own = |at: usize, field: &Field| {
        given
            .get(at)
            .map_or_else(|| field.name().clone(), |column| column.name.clone())
    };
    let fields = found.iter().enumerate().map(|(at, field)| {
        let plain = field.as_ref().clone().with_name(own(at, field));
        plain.with_metadata(std::collections::HashMap::new())
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let faults: Vec<StatementFault> = duplicates(&schema)
        .into_iter()
        .map(|column| {
            let second = column.positions.get(1).and_then(|at| given.get(*at));
            let message = format!(
                "{} columns of the view are named `{}`",
                column.positions.len(),
                column.name
            );
            let fault = StatementFault::new(StatementFaultKind::Column, message);
            let fault = match second {
                Some(second) => placed(fault, second.place, "/columns"),
                None => fault.at(definition.place),
            };
            fault.help(format!(
                "name them apart with AS, for instance `{}`",
                column.aliases.join("`, `")
            ))
        })
        .collect();
    match faults.is_empty() {
        true => Ok((
            found.iter().map(|field| field.name().clone()).collect(),
            schema.as_ref().clone(),
        )),
        false => Err(QueryError::Statement(faults)),
    }
}

/// Tells a fault at its place in the statement, or at its member where there is none.
fn placed(fault: StatementFault, place: Option<Place>, pointer: &str) -> StatementFault {
    match place {
        Some(_) => fault.at(place),
        None => fault.pointer(pointer.to_owned()),
    }
}

/// What is asked of the columns that funnels need.
struct Role {
    name: &'static str,
    must_be: &'static str,
    fits: fn(&ColumnType) -> bool,
}

const GROUP: Role = Role {
    name: "group",
    must_be: "an integer or a text",
    fits: |column| matches!(column, ColumnType::Int | ColumnType::String),
};

const TIME: Role = Role {
    name: "time",
    must_be: "a number, a timestamp or a date",
    fits: |column| {
        matches!(
            column,
            ColumnType::Int | ColumnType::Float | ColumnType::Timestamp | ColumnType::Date
        )
    },
};

fn check_roles(definition: &ViewDefinition, schema: &Schema) -> Result<(), QueryError> {
    let roles = [(&definition.group, GROUP), (&definition.time, TIME)];
    let given = roles.iter().filter_map(|(column, role)| Some((column.as_ref()?, role)));
    let mut faults: Vec<StatementFault> = given
        .filter_map(|(column, role)| role_fault(column, role, schema))
        .collect();
    if let (Some(group), Some(time)) = (&definition.group, &definition.time)
        && group.name == time.name
    {
        let message = "the group column and the time column must be two columns";
        let fault = StatementFault::new(StatementFaultKind::Meaning, message);
        faults.push(placed(fault, time.place, "/time"));
    }
    match faults.is_empty() {
        true => Ok(()),
        false => Err(QueryError::Statement(faults)),
    }
}

fn role_fault(column: &Written, role: &Role, schema: &Schema) -> Option<StatementFault> {
    let pointer = format!("/{}", role.name);
    let Ok(field) = schema.field_with_name(&column.name) else {
        let message = format!(
            "the view has no column `{}` to be its {} column",
            column.name, role.name
        );
        let fault = StatementFault::new(StatementFaultKind::Column, message);
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let help = match closest(&column.name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "name a column of the view, in its own case".to_owned(),
        };
        return Some(placed(fault, column.place, &pointer).help(help));
    };
    if ColumnType::of(field.data_type()).as_ref().is_some_and(role.fits) {
        return None;
    }
    let message = format!(
        "the {} column `{}` is of type {}",
        role.name,
        column.name,
        field.data_type()
    );
    let fault = StatementFault::new(StatementFaultKind::Meaning, message);
    let help = format!(
        "the {} column must be {}; CAST it in the query",
        role.name, role.must_be
    );
    Some(placed(fault, column.place, &pointer).help(help))
}

/// The query's columns as those that the view has had from the beginning.
fn own_columns(plan: LogicalPlan, view: &View, schema: &Schema) -> Result<LogicalPlan, QueryError> {
    let found = plan.schema();
    let names: Vec<&str> = found.fields().iter().map(|field| field.name().as_str()).collect();
    let is_alike = names == view.columns;
    let mut exprs = Vec::with_capacity(view.columns.len());
    for (at, (source, own)) in view.columns.iter().zip(schema.fields()).enumerate() {
        let at = if is_alike { at } else { only(&names, source)? };
        let (qualifier, field) = found.qualified_field(at);
        let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
        let column = as_type(column, field.data_type(), own)?;
        exprs.push(column.alias(own.name()));
    }
    let is_same = is_alike
        && found
            .fields()
            .iter()
            .zip(schema.fields())
            .all(|(found, own)| (found.name(), found.data_type()) == (own.name(), own.data_type()));
    if is_same {
        return Ok(plan);
    }
    let failed = |error: DataFusionError| QueryError::internal(error.to_string());
    LogicalPlanBuilder::from(plan)
        .project(exprs)
        .and_then(LogicalPlanBuilder::build)
        .map_err(failed)
}

fn only(names: &[&str], wanted: &str) -> Result<usize, StatementFault> {
    let mut places = names.iter().enumerate().filter(|(_, name)| **name == wanted);
    let message = match (places.next(), places.next()) {
        (Some((at, _)), None) => return Ok(at),
        (Some(_), Some(_)) => format!("its query gives several columns `{wanted}` now"),
        (None, _) => format!("its query gives no column `{wanted}` any more"),
    };
    Err(StatementFault::new(StatementFaultKind::Column, message))
}

/// A column as the view's own type, if every value of it is one of that type, too.
fn as_type(column: Expr, found: &DataType, own: &Field) -> Result<Expr, StatementFault> {
    let wanted = own.data_type();
    if found == wanted {
        return Ok(column);
    }
    let is_text = |data_type: &DataType| ColumnType::of(data_type) == Some(ColumnType::String);
    let fits = widened(wanted, found).as_ref() == Some(wanted) || (is_text(found) && is_text(wanted));
    match fits || *found == DataType::Null {
        true => Ok(cast(column, wanted.clone())),
        false => {
            let message = format!(
                "its query gives column `{}` as {found}, the view has {wanted}",
                own.name()
            );
            Err(StatementFault::new(StatementFaultKind::Column, message))
        }
    }
}

/// What is wrong with the innermost view that is broken. Places within it mean nothing in the statement.
fn broken_view(stored: &StoredTable, faults: &[StatementFault]) -> StatementFault {
    let name = &stored.table.name;
    let Some(first) = faults.first() else {
        return StatementFault::new(StatementFaultKind::Meaning, format!("view `{name}` is empty"));
    };
    if first.message.starts_with("view `") {
        return first.clone().at(None);
    }
    let told = match first.kind {
        // The view is as good as ever, for others.
        StatementFaultKind::FileDenied => "reads a file that is not for you",
        _ => "no longer works",
    };
    let fault = StatementFault::new(first.kind, format!("view `{name}` {told}: {}", first.message));
    match (first.kind, &first.help) {
        (StatementFaultKind::FileDenied, Some(help)) => fault.help(help.clone()),
        _ => fault.help(HELP_BROKEN),
    }
}
