//! CREATE VIEW and DROP VIEW: what is made or dropped, with the place of each word for those who check it.
//!
//! The query of a view is cut out of the statement before it is parsed: it is kept as it was written, and it is checked by
//! itself like any query. Blanks stand for what was before it, so that its faults are told where they are in the statement.

use datafusion::common::TableReference;
use datafusion::sql::parser::{DFParserBuilder, Statement as Parsed};
use datafusion::sql::planner::object_name_to_table_reference;
use datafusion::sql::sqlparser::ast::{
    CreateTableOptions, CreateView, Expr, Ident, ObjectName, ObjectType, Spanned, SqlOption, Statement as Ast, Value,
    ViewColumnDef,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan};
use hw_catalog::{DEFAULT_SCHEMA, TableName, closest};

use super::{NESTING_MAX, is_blank, start_of, tokenize};
use crate::catalog::{CATALOG, INFORMATION_SCHEMA, looks_like_file};
use crate::engine::Limits;
use crate::error::{Place, QueryError, StatementFault, StatementFaultKind, classify};

/// Options within `WITH (...)` of CREATE VIEW.
const OPTIONS: [&str; 3] = ["group", "time", "comment"];

const FORM: &str = "write CREATE [OR REPLACE] VIEW [IF NOT EXISTS] name [(column, ...)] [WITH (group = '...', time = '...')] AS SELECT ...";

/// A statement that makes or drops a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewStatement {
    /// CREATE VIEW.
    Create(Box<ViewDefinition>),
    /// DROP VIEW.
    Drop(ViewDrop),
}

/// A name as it was written, its case folded unless quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The name.
    pub name: String,
    /// Where it stands in the statement; `None` where there is no statement.
    pub place: Option<Place>,
}

impl Written {
    /// A name from outside of a statement.
    pub fn bare(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            place: None,
        }
    }
}

/// A view to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewDefinition {
    /// Its name.
    pub name: TableName,
    /// Where the name stands.
    pub place: Option<Place>,
    /// The text of its query. Blanks may stand before it, so that places in it are those of the statement.
    pub query: String,
    /// Names of its columns, if they are not to be those of the query.
    pub columns: Vec<Written>,
    /// Its group column, for funnels.
    pub group: Option<Written>,
    /// Its time column, for funnels.
    pub time: Option<Written>,
    /// A remark for people.
    pub comment: Option<String>,
    /// Whether a view of this name gives way.
    pub or_replace: bool,
    /// Whether a view of this name stays, and that is no fault.
    pub if_not_exists: bool,
}

/// A view to be dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewDrop {
    /// Its name.
    pub name: TableName,
    /// Where the name stands.
    pub place: Option<Place>,
    /// Whether it is no fault if there is none.
    pub if_exists: bool,
}

/// What a statement makes or drops; `None` for every other statement, which [`check`](super::check) judges.
///
/// # Errors
/// [`QueryError::Statement`] with every fault that can be told without the query and the catalog.
pub(crate) fn view_statement(sql: &str, limits: &Limits) -> Result<Option<ViewStatement>, QueryError> {
    if !matches!(first_word(sql).as_str(), "CREATE" | "DROP") {
        return Ok(None);
    }
    let tokens = tokenize(sql)?;
    let words: Vec<String> = tokens
        .iter()
        .filter(|token| !is_blank(&token.token))
        .map_while(key_word)
        .take(4)
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["CREATE", "VIEW", ..] | ["CREATE", "OR", "REPLACE", "VIEW"] => create(sql, &tokens, limits).map(Some),
        ["DROP", "VIEW", ..] => dropped(sql, tokens, limits).map(|dropped| Some(ViewStatement::Drop(dropped))),
        _ => Ok(None),
    }
}

/// The first word in upper case, remarks before it passed over. Most statements are told apart by it.
fn first_word(sql: &str) -> String {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
        let remark = match rest.get(..2) {
            Some("--") => rest.split_once('\n'),
            Some("/*") => rest.split_once("*/"),
            _ => break,
        };
        rest = remark.map_or("", |(_, behind)| behind);
    }
    let word = rest.chars().take_while(char::is_ascii_alphabetic).take(8);
    word.map(|letter| letter.to_ascii_uppercase()).collect()
}

/// A word without quotes, in upper case.
fn key_word(token: &TokenWithSpan) -> Option<String> {
    match &token.token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_ascii_uppercase()),
        _ => None,
    }
}

fn create(sql: &str, tokens: &[TokenWithSpan], limits: &Limits) -> Result<ViewStatement, QueryError> {
    let Some(end) = end_of_header(tokens).and_then(|span| Place::of(sql, span.end.line, span.end.column)) else {
        // There is no query, and the parser tells best what it misses.
        parse(tokens.to_vec(), sql, limits)?;
        return Err(without_query(start_of(tokens, sql)).into());
    };
    let (header, query) = sql
        .split_at_checked(usize::try_from(end.offset).unwrap_or(usize::MAX))
        .unwrap_or((sql, ""));
    if query.chars().all(|c| c.is_whitespace() || c == ';') {
        return Err(without_query(Some(end)).into());
    }
    let parsed = parse(tokenize(&format!("{header} SELECT 1"))?, sql, limits)?;
    let Some(Ast::CreateView(view)) = parsed else {
        let fault = StatementFault::new(StatementFaultKind::Syntax, "this is no statement that makes a view");
        return Err(fault.at(start_of(tokens, sql)).help(FORM).into());
    };
    let mut reading = Reading {
        sql,
        faults: Vec::new(),
    };
    let definition = reading.definition(view, blanked(sql, header.len()));
    match (definition, reading.faults) {
        (Some(definition), faults) if faults.is_empty() => Ok(ViewStatement::Create(Box::new(definition))),
        (_, faults) => Err(QueryError::Statement(faults)),
    }
}

fn without_query(place: Option<Place>) -> StatementFault {
    let fault = StatementFault::new(StatementFaultKind::Syntax, "a view needs a query behind AS");
    fault.at(place).help(FORM)
}

fn dropped(sql: &str, tokens: Vec<TokenWithSpan>, limits: &Limits) -> Result<ViewDrop, QueryError> {
    let start = start_of(&tokens, sql);
    let parsed = parse(tokens, sql, limits)?;
    let fault = |message: &str, help: &str| {
        StatementFault::new(StatementFaultKind::Unsupported, message)
            .at(start)
            .help(help)
    };
    let Some(Ast::Drop {
        object_type: ObjectType::View,
        if_exists,
        names,
        cascade,
        purge: false,
        ..
    }) = parsed
    else {
        return Err(fault(
            "this form of DROP VIEW is not supported",
            "write DROP VIEW [IF EXISTS] name",
        )
        .into());
    };
    if cascade {
        let help = "drop the views that read it first";
        return Err(fault("CASCADE is not supported", help).into());
    }
    let mut reading = Reading {
        sql,
        faults: Vec::new(),
    };
    let [name] = names.as_slice() else {
        let help = "write one statement for each";
        return Err(fault("several views in one statement are not supported", help).into());
    };
    match reading.table_name(name) {
        Some((name, place)) => Ok(ViewDrop { name, place, if_exists }),
        None => Err(QueryError::Statement(reading.faults)),
    }
}

/// The AS before the query: the first one that stands in no parentheses.
fn end_of_header(tokens: &[TokenWithSpan]) -> Option<Span> {
    let mut depth = 0_usize;
    for token in tokens.iter().skip_while(|token| is_blank(&token.token)) {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            Token::SemiColon => return None,
            _ if depth == 0 && key_word(token).as_deref() == Some("AS") => return Some(token.span),
            _ => {}
        }
    }
    None
}

/// The one statement of the tokens.
fn parse(tokens: Vec<TokenWithSpan>, sql: &str, limits: &Limits) -> Result<Option<Ast>, QueryError> {
    let statements = DFParserBuilder::new(tokens)
        .with_dialect(&GenericDialect {})
        .with_recursion_limit(NESTING_MAX)
        .build()
        .and_then(|mut parser| parser.parse_statements());
    let mut statements = statements.map_err(|error| classify(error, sql, limits))?;
    match (statements.pop_front(), statements.len()) {
        (Some(Parsed::Statement(ast)), 0) => Ok(Some(*ast)),
        (_, 0) => Ok(None),
        (_, more) => Err(super::wrong_count(more + 1).into()),
    }
}

/// The text with blanks for its first `length` bytes. Lines and columns stay what they were.
fn blanked(sql: &str, length: usize) -> String {
    let (before, query) = sql.split_at_checked(length).unwrap_or(("", sql));
    let blank = |letter: char| if letter == '\n' { '\n' } else { ' ' };
    before.chars().map(blank).chain(query.chars()).collect()
}

struct Reading<'a> {
    sql: &'a str,
    faults: Vec<StatementFault>,
}

impl Reading<'_> {
    fn place(&self, span: Span) -> Option<Place> {
        Place::of(self.sql, span.start.line, span.start.column)
    }

    fn fault(&mut self, kind: StatementFaultKind, message: impl Into<String>, place: Option<Place>, help: &str) {
        self.faults
            .push(StatementFault::new(kind, message).at(place).help(help));
    }

    fn definition(&mut self, view: CreateView, query: String) -> Option<ViewDefinition> {
        let name = self.table_name(&view.name);
        let place = name.as_ref().and_then(|(_, place)| *place);
        self.check_form(&view, place);
        let columns = view.columns.into_iter().map(|column| self.column(column)).collect();
        let mut options = Options::default();
        if let CreateTableOptions::With(given) = view.options {
            given.into_iter().for_each(|option| self.option(option, &mut options));
        }
        if let Some(comment) = view.comment
            && options.comment.replace(Written::bare(comment)).is_some()
        {
            self.fault(
                StatementFaultKind::Meaning,
                "`comment` is given twice",
                place,
                "leave one away",
            );
        }
        let (name, place) = name?;
        if looks_like_file(name.name()) {
            let message = format!("`{name}` looks like a file, which nobody could name any more");
            self.fault(
                StatementFaultKind::Meaning,
                message,
                place,
                "give it a name without `/`, `*`, `?` and ending",
            );
        }
        Some(ViewDefinition {
            name,
            place,
            query,
            columns,
            group: options.group,
            time: options.time,
            comment: options.comment.map(|comment| comment.name),
            or_replace: view.or_replace,
            if_not_exists: view.if_not_exists,
        })
    }

    /// Refuses what would be ignored.
    fn check_form(&mut self, view: &CreateView, place: Option<Place>) {
        let is_other = !matches!(view.options, CreateTableOptions::None | CreateTableOptions::With(_));
        let refused = [
            (!view.cluster_by.is_empty(), "CLUSTER BY"),
            (view.copy_grants, "COPY GRANTS"),
            (view.to.is_some(), "TO"),
            (is_other, "OPTIONS"),
        ];
        for (_, what) in refused.iter().filter(|(present, _)| *present) {
            let message = format!("{what} of a view is not supported");
            self.fault(StatementFaultKind::Unsupported, message, place, FORM);
        }
        if view.or_replace && view.if_not_exists {
            let message = "OR REPLACE and IF NOT EXISTS exclude each other";
            self.fault(StatementFaultKind::Meaning, message, place, "leave one of them away");
        }
    }

    fn table_name(&mut self, name: &ObjectName) -> Option<(TableName, Option<Place>)> {
        let place = self.place(name.span());
        let reference = object_name_to_table_reference(name.clone(), true).ok();
        let reference = reference.filter(|name| name.catalog().is_none_or(|catalog| catalog == CATALOG));
        let Some(reference) = reference else {
            let message = format!("`{name}` is not the name of a view");
            let help = "a view is named `view`, `schema.view` or `headwater.schema.view`";
            self.fault(StatementFaultKind::UnknownTable, message, place, help);
            return None;
        };
        match named(&reference) {
            Ok(name) if name.schema() != INFORMATION_SCHEMA => Some((name, place)),
            Ok(_) => {
                let message =
                    format!("`{INFORMATION_SCHEMA}` holds what the catalog tells of itself, and nothing else");
                self.fault(StatementFaultKind::Meaning, message, place, "choose another schema");
                None
            }
            Err(reason) => {
                let help = "a name has 1 to 255 bytes without control characters";
                self.fault(StatementFaultKind::Meaning, reason, place, help);
                None
            }
        }
    }

    fn column(&mut self, column: ViewColumnDef) -> Written {
        let place = self.place(column.name.span);
        if column.data_type.is_some() || column.options.is_some() {
            let message = format!("column `{}` has a type or an option", column.name.value);
            let help = "name it alone: the query tells its type, CAST changes it";
            self.fault(StatementFaultKind::Unsupported, message, place, help);
        }
        Written {
            name: folded(&column.name),
            place,
        }
    }

    fn option(&mut self, option: SqlOption, options: &mut Options) {
        let SqlOption::KeyValue { key, value } = option else {
            let message = format!("`{option}` is no option of a view");
            self.fault(StatementFaultKind::Meaning, message, None, FORM);
            return;
        };
        let place = self.place(key.span);
        let name = key.value.to_lowercase();
        let Some(slot) = options.slot(&name) else {
            let message = format!("a view has no option `{name}`");
            let help = match closest(&name, OPTIONS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are `{}`", OPTIONS.join("`, `")),
            };
            self.fault(StatementFaultKind::Meaning, message, place, &help);
            return;
        };
        let given = match value {
            Expr::Identifier(column) if name != "comment" => Some((folded(&column), column.span)),
            Expr::Value(text) => match text.value {
                Value::SingleQuotedString(value) => Some((value, text.span)),
                _ => None,
            },
            _ => None,
        };
        let Some((value, span)) = given else {
            let message = format!("the option `{name}` takes a text");
            let help = format!("write WITH ({name} = '...')");
            self.fault(StatementFaultKind::Meaning, message, place, &help);
            return;
        };
        let written = Written {
            name: value,
            place: Place::of(self.sql, span.start.line, span.start.column),
        };
        if slot.replace(written).is_some() {
            let message = format!("`{name}` is given twice");
            self.fault(StatementFaultKind::Meaning, message, place, "leave one away");
        }
    }
}

#[derive(Default)]
struct Options {
    group: Option<Written>,
    time: Option<Written>,
    comment: Option<Written>,
}

impl Options {
    fn slot(&mut self, name: &str) -> Option<&mut Option<Written>> {
        match name {
            "group" => Some(&mut self.group),
            "time" => Some(&mut self.time),
            "comment" => Some(&mut self.comment),
            _ => None,
        }
    }
}

fn named(reference: &TableReference) -> Result<TableName, String> {
    let schema = reference.schema().unwrap_or(DEFAULT_SCHEMA);
    TableName::new(schema, reference.table()).map_err(|error| error.to_string())
}

fn folded(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}
