//! From the engine's errors to ours.

use std::error::Error;

use arrow_schema::ArrowError;
use datafusion::common::{Column, DataFusionError, Diagnostic, SchemaError};
use datafusion::parquet::errors::ParquetError;
use datafusion::sql::sqlparser::parser::ParserError;
use hw_catalog::closest;
use hw_files::FileError;

use super::{PartFault, Place, QueryError, StatementFault, StatementFaultKind};
use crate::engine::Limits;

/// Names that a help line lists at most.
const NAMES_SHOWN_MAX: usize = 12;

/// What an error of parsing or planning `sql` means for its author. Faults of the statement are collected; any other
/// error outweighs them.
pub(crate) fn classify(error: DataFusionError, sql: &str, limits: &Limits) -> QueryError {
    let mut faults = Vec::new();
    match collect(error, sql, None, limits, &mut faults) {
        Ok(()) => {
            faults.sort_by_key(|fault: &StatementFault| fault.place.map(|place| place.offset));
            faults.dedup();
            QueryError::Statement(faults)
        }
        Err(other) => other,
    }
}

/// What an error while rows are computed means.
pub(crate) fn from_execution(error: DataFusionError, limits: &Limits) -> QueryError {
    if let Some(known) = ours_within(&error) {
        return known;
    }
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => from_execution(*inner, limits),
        DataFusionError::Shared(inner) => from_shared(&inner, limits),
        DataFusionError::Collection(errors) => match errors.into_iter().next() {
            Some(first) => from_execution(first, limits),
            None => QueryError::internal("an empty collection of errors"),
        },
        DataFusionError::ResourcesExhausted(detail) => exhausted(&detail, limits),
        DataFusionError::ArrowError(error, _) => from_arrow(&error, limits),
        DataFusionError::ParquetError(error) => QueryError::Data {
            message: parquet_words(&error),
        },
        DataFusionError::ObjectStore(error) => QueryError::Storage {
            message: innermost(error.as_ref()),
        },
        DataFusionError::IoError(error) => from_io(&error, limits),
        DataFusionError::Execution(message)
        | DataFusionError::Plan(message)
        | DataFusionError::NotImplemented(message)
        | DataFusionError::Configuration(message) => QueryError::Data {
            message: lower_first(first_line(&message)),
        },
        DataFusionError::SchemaError(error, _) => QueryError::Data {
            message: lower_first(first_line(&error.to_string())),
        },
        DataFusionError::External(error) => QueryError::Data {
            message: innermost(error.as_ref()),
        },
        other => QueryError::internal(first_line(&other.strip_backtrace())),
    }
}

/// An error that several readers got. It cannot be taken apart, so only its words and the errors within are used.
fn from_shared(error: &DataFusionError, limits: &Limits) -> QueryError {
    if let Some(known) = ours_within(error) {
        return known;
    }
    let words = |text: &String| lower_first(first_line(text));
    match error.find_root() {
        DataFusionError::ResourcesExhausted(detail) => exhausted(detail, limits),
        DataFusionError::ArrowError(error, _) => from_arrow(error, limits),
        DataFusionError::ParquetError(error) => QueryError::Data {
            message: parquet_words(error),
        },
        DataFusionError::Execution(message) | DataFusionError::Plan(message) => QueryError::Data {
            message: words(message),
        },
        DataFusionError::ObjectStore(error) => QueryError::Storage {
            message: innermost(error.as_ref()),
        },
        DataFusionError::IoError(error) => from_io(error, limits),
        other => QueryError::internal(first_line(&other.strip_backtrace())),
    }
}

/// An error of our own that passed through the engine.
fn ours_within(error: &(dyn Error + 'static)) -> Option<QueryError> {
    let mut current = Some(error);
    while let Some(inner) = current {
        if let Some(part) = inner.downcast_ref::<PartFault>() {
            return Some(QueryError::Part(part.clone()));
        }
        if let Some(file) = inner.downcast_ref::<FileError>() {
            return Some(from_file(file));
        }
        if let Some(Passed(passed)) = inner.downcast_ref::<Passed>() {
            return passed.lock().ok().and_then(|mut passed| passed.take());
        }
        current = inner.source();
    }
    None
}

/// Carries an error of ours through the engine, which hands errors around as boxes.
#[derive(Debug, thiserror::Error)]
#[error("passed through")]
pub(crate) struct Passed(std::sync::Mutex<Option<QueryError>>);

impl From<QueryError> for DataFusionError {
    fn from(error: QueryError) -> Self {
        Self::External(Box::new(Passed(std::sync::Mutex::new(Some(error)))))
    }
}

/// A failure of the file layer outside the text of a statement.
pub(crate) fn from_file(error: &FileError) -> QueryError {
    if matches!(error, FileError::Refused { .. }) {
        return QueryError::Refused(error.clone());
    }
    match error.fault() {
        hw_files::Fault::Input | hw_files::Fault::Data => QueryError::Data {
            message: error.to_string(),
        },
        hw_files::Fault::External => QueryError::Storage {
            message: error.to_string(),
        },
    }
}

fn collect(
    error: DataFusionError,
    sql: &str,
    place: Option<Place>,
    limits: &Limits,
    faults: &mut Vec<StatementFault>,
) -> Result<(), QueryError> {
    match error {
        DataFusionError::Collection(errors) => errors
            .into_iter()
            .try_for_each(|error| collect(error, sql, place, limits, faults)),
        DataFusionError::Context(_, inner) => collect(*inner, sql, place, limits, faults),
        DataFusionError::Diagnostic(diagnostic, inner) => {
            let place = place_of(&diagnostic, sql).or(place);
            let before = faults.len();
            collect(*inner, sql, place, limits, faults)?;
            add_help(&diagnostic, faults.get_mut(before..).unwrap_or_default());
            Ok(())
        }
        other => {
            faults.push(statement_fault(other, sql, limits)?.or_at(place));
            Ok(())
        }
    }
}

fn statement_fault(error: DataFusionError, sql: &str, limits: &Limits) -> Result<StatementFault, QueryError> {
    use StatementFaultKind::{Meaning, Setting, Unsupported};
    match error {
        DataFusionError::SQL(error, _) => Ok(syntax(&error, sql)),
        DataFusionError::SchemaError(error, _) => Ok(column_fault(&error)),
        DataFusionError::Plan(message) => Ok(plan_fault(&message)),
        DataFusionError::NotImplemented(message) => Ok(StatementFault::new(
            Unsupported,
            format!("not supported: {}", first_line(&message)),
        )),
        DataFusionError::Configuration(message) => Ok(StatementFault::new(Setting, lower_first(first_line(&message)))),
        DataFusionError::Execution(message) => Ok(StatementFault::new(Meaning, lower_first(first_line(&message)))),
        other => Err(from_execution(other, limits)),
    }
}

impl StatementFault {
    fn or_at(mut self, place: Option<Place>) -> Self {
        self.place = self.place.or(place);
        self
    }
}

/// The parser appends ` at Line: 1, Column: 8` to its messages.
fn syntax(error: &ParserError, sql: &str) -> StatementFault {
    match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => {
            let (message, place) = split_place(text, sql);
            let place = place.or_else(|| message.ends_with("found: EOF").then(|| Place::end_of(sql)));
            StatementFault::new(StatementFaultKind::Syntax, lower_first(message)).at(place)
        }
        ParserError::RecursionLimitExceeded => {
            StatementFault::new(StatementFaultKind::Size, "the statement nests too deeply")
                .help("take the inner parts out into WITH clauses")
        }
    }
}

fn split_place<'a>(text: &'a str, sql: &str) -> (&'a str, Option<Place>) {
    let Some((message, place)) = text.rsplit_once(" at Line: ") else {
        return (text, None);
    };
    let Some((line, column)) = place.split_once(", Column: ") else {
        return (text, None);
    };
    let digits = |text: &str| text.trim().parse::<u64>().ok();
    match (digits(line), digits(column)) {
        (Some(line), Some(column)) => (message, Place::of(sql, line, column)),
        _ => (text, None),
    }
}

fn column_fault(error: &SchemaError) -> StatementFault {
    let new = |message: String| StatementFault::new(StatementFaultKind::Column, message);
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            new(format!("there is no column `{}`", field.flat_name())).help(column_help(field, valid_fields))
        }
        SchemaError::AmbiguousReference { field } => {
            new(format!("the column `{}` is in several tables", field.flat_name()))
                .help("write the table before it: `table.column`")
        }
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            new(format!("two columns are named `{name}`")).help("give each a name of its own with AS")
        }
    }
}

/// Proposes the column meant, first one that differs in case alone, else lists what there is.
fn column_help(field: &Column, valid: &[Column]) -> String {
    let shown = |found: &Column| shown_as(found, field, valid);
    let same_but_case = valid
        .iter()
        .find(|other| other.name.to_lowercase() == field.name.to_lowercase());
    if let Some(found) = same_but_case.filter(|found| found.name != field.name) {
        let found = shown(found);
        return format!("did you mean `{found}`? names without double quotes are folded to lower case");
    }
    let near = || {
        let name = closest(&field.name, valid.iter().map(|column| column.name.as_str()))?;
        valid.iter().find(|column| column.name == name)
    };
    match same_but_case.or_else(near) {
        Some(found) => format!("did you mean `{}`?", shown(found)),
        None => list_of(valid.iter().map(shown)),
    }
}

/// A column as the statement would name it: with its table only where that was asked for or is needed.
fn shown_as(found: &Column, asked: &Column, valid: &[Column]) -> String {
    let is_alone = valid.iter().filter(|other| other.name == found.name).count() == 1;
    match asked.relation.is_none() && is_alone {
        true => Column::new_unqualified(&found.name).quoted_flat_name(),
        false => found.quoted_flat_name(),
    }
}

fn list_of(names: impl ExactSizeIterator<Item = String>) -> String {
    let count = names.len();
    let shown: Vec<String> = names.take(NAMES_SHOWN_MAX).map(|name| format!("`{name}`")).collect();
    match (count, count.saturating_sub(shown.len())) {
        (0, _) => "there are no columns here".to_owned(),
        (_, 0) => format!("the columns here are {}", shown.join(", ")),
        (_, more) => format!("the columns here are {} and {more} more", shown.join(", ")),
    }
}

/// Planning errors come as text. The ones that users meet most are told in our words.
fn plan_fault(message: &str) -> StatementFault {
    use StatementFaultKind::{Column, Meaning, UnknownFunction, UnknownTable};
    let message = without_prefixes(message);
    let new = StatementFault::new;
    if let Some(name) = between(message, "Invalid function '", "'") {
        return new(UnknownFunction, format!("there is no function `{name}`"));
    }
    if let Some(name) = between(message, "table function '", "'") {
        return new(UnknownFunction, format!("there is no table function `{name}`"));
    }
    if let Some(name) = between(message, "table '", "' not found") {
        return new(UnknownTable, format!("there is no table `{name}`"));
    }
    if message.starts_with("Projections require unique expression names") {
        let name = between(message, " AS ", "\"").or_else(|| between(message, "expression \"", "\""));
        return new(
            Column,
            format!("two columns of SELECT are named `{}`", name.unwrap_or_default()),
        )
        .help("give each column a name of its own with AS");
    }
    if let Some(column) = between(message, "column \"", "\" must appear in the GROUP BY") {
        return new(
            Meaning,
            format!("column `{column}` must stand in GROUP BY or within an aggregate function"),
        );
    }
    if let Some(name) = between(message, "Function '", "' failed to match any signature") {
        let given = between(message, "but received ", " (DataType").unwrap_or("these types");
        return new(Meaning, format!("the function `{name}` does not take {given}"));
    }
    new(Meaning, lower_first(first_line(message)))
}

/// Errors that were wrapped as text bear the names of their kinds.
fn without_prefixes(message: &str) -> &str {
    const PREFIXES: [&str; 4] = [
        "Error during planning: ",
        "Internal error: ",
        "Execution error: ",
        "type_coercion\ncaused by\n",
    ];
    let mut rest = message;
    while let Some(next) = PREFIXES.iter().find_map(|prefix| rest.strip_prefix(prefix)) {
        rest = next;
    }
    rest
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

fn place_of(diagnostic: &Diagnostic, sql: &str) -> Option<Place> {
    diagnostic
        .span
        .and_then(|span| Place::of(sql, span.start.line, span.start.column))
}

/// Notes are left out: they belong to places of their own, and say little without them.
fn add_help(diagnostic: &Diagnostic, faults: &mut [StatementFault]) {
    let words: Vec<&str> = diagnostic.helps.iter().map(|help| help.message.as_str()).collect();
    if words.is_empty() {
        return;
    }
    for fault in faults.iter_mut().filter(|fault| fault.help.is_none()) {
        fault.help = Some(lower_first(&words.join("; ")));
    }
}

/// The engine uses one kind of error for both limits; spilling is told by its words. Where nothing may be spilled, it
/// is the memory that is used up.
fn exhausted(detail: &str, limits: &Limits) -> QueryError {
    let words = lower_first(first_line(detail));
    // What follows names settings of the engine's, which users do not have.
    let words = words.split(". ").next().unwrap_or_default().to_owned();
    if is_about_spilling(&words) && limits.spill > 0 {
        return QueryError::Spill {
            limit: limits.spill,
            detail: words,
        };
    }
    QueryError::Memory {
        limit: limits.memory,
        detail: words,
    }
}

fn is_about_spilling(words: &str) -> bool {
    words.contains("spilling process") || words.contains("DiskManager")
}

fn from_io(error: &std::io::Error, limits: &Limits) -> QueryError {
    let words = error.to_string();
    match is_about_spilling(&words) {
        true => exhausted(&words, limits),
        false => QueryError::Storage { message: words },
    }
}

fn from_arrow(error: &ArrowError, limits: &Limits) -> QueryError {
    let message = match error {
        ArrowError::DivideByZero => "division by zero".to_owned(),
        ArrowError::CastError(text)
        | ArrowError::ParseError(text)
        | ArrowError::CsvError(text)
        | ArrowError::JsonError(text)
        | ArrowError::ComputeError(text)
        | ArrowError::ArithmeticOverflow(text)
        | ArrowError::SchemaError(text)
        | ArrowError::InvalidArgumentError(text)
        | ArrowError::ParquetError(text) => lower_first(first_line(text)),
        ArrowError::IoError(_, error) => return from_io(error, limits),
        other => lower_first(first_line(&other.to_string())),
    };
    QueryError::Data { message }
}

fn parquet_words(error: &ParquetError) -> String {
    lower_first(first_line(&match error {
        ParquetError::General(text) | ParquetError::EOF(text) | ParquetError::ArrowError(text) => text.clone(),
        other => other.to_string(),
    }))
}

/// The innermost cause says most: the layers above repeat it.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut current = error;
    while let Some(source) = current.source() {
        current = source;
    }
    lower_first(first_line(&current.to_string()))
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default().trim_end_matches('.')
}

/// Lower case at the start, unless the first word is an abbreviation or a name (`SELECT`, `LogicalPlan`).
pub(crate) fn lower_first(text: &str) -> String {
    let first_word: String = text.chars().take_while(|c| c.is_alphanumeric()).collect();
    let is_plain = first_word.chars().skip(1).all(char::is_lowercase);
    match text.chars().next() {
        Some(first) if is_plain => first.to_lowercase().chain(text.chars().skip(1)).collect(),
        _ => text.to_owned(),
    }
}
