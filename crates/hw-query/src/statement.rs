//! From text to one checked statement: tokens, limits, syntax, and what a query may not do.
//!
//! Nothing is planned here. A [`CheckedStatement`] reads only, and says nothing that the planner would silently ignore; what
//! makes or drops a view is told apart ([`view_statement`]), and carried out elsewhere.

use std::collections::BTreeSet;

use datafusion::common::TableReference;
use datafusion::sql::parser::{DFParserBuilder, Statement as Parsed};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::engine::Limits;
use crate::error::{Place, QueryError, StatementFault, StatementFaultKind, classify};

mod balance;
mod calls;
mod chain;
mod funnels;
mod guard;
mod kind;
mod script;
mod view;
mod weight;

pub(crate) use calls::{Call, functions_called};
pub(crate) use funnels::{Argument, FUNNEL_FUNCTIONS, FUNNEL_SCHEMA, FunnelCall, FunnelFunction, Given, take_funnels};
pub(crate) use kind::StatementKind;
pub use script::{Statement, split_statements};
pub(crate) use view::view_statement;
pub use view::{ViewDefinition, ViewDrop, ViewStatement, Written};
pub(crate) use weight::weight;

/// Longest text of one statement, and of a script, in bytes.
pub const SQL_BYTES_MAX: usize = 4 << 20;

/// Nested parentheses, sub-queries and prefix operators.
const NESTING_MAX: usize = 300;

/// Tables, files and table functions in one statement.
const RELATIONS_MAX: usize = 2_000;

/// A statement that may be planned.
#[derive(Debug)]
pub(crate) struct CheckedStatement {
    pub(crate) parsed: Parsed,
    pub(crate) kind: StatementKind,
    /// Tables and files that the statement names; names of WITH clauses may be among them.
    pub(crate) relations: Vec<Relation>,
    /// Numbers of the placeholders, `$1` is 1.
    pub(crate) placeholders: BTreeSet<usize>,
    /// Conditions that AND and OR join.
    pub(crate) conditions: usize,
}

/// A table or file as the statement names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relation {
    /// Its name, unquoted parts folded to lower case.
    pub(crate) name: TableReference,
    /// Whether it has one part, in quotes: then it may be a file.
    pub(crate) quoted: bool,
    pub(crate) place: Option<Place>,
}

/// Parses and checks the one statement in `sql`.
///
/// # Errors
/// [`QueryError::Statement`] with every fault that can be found without knowing the tables.
pub(crate) fn check(sql: &str, limits: &Limits) -> Result<CheckedStatement, QueryError> {
    let tokens = tokenize(sql)?;
    chain::check(&tokens, sql)?;
    let conditions = chain::conditions(&tokens);
    let start = start_of(&tokens, sql);
    let mut statements = DFParserBuilder::new(tokens)
        .with_dialect(&GenericDialect {})
        .with_recursion_limit(NESTING_MAX)
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(|error| classify(error, sql, limits))?;
    let count = statements.len();
    match (statements.pop_front(), count) {
        (Some(mut parsed), 1) => {
            balance::balance(&mut parsed);
            let checked = guard::check(parsed, sql, start)?;
            Ok(CheckedStatement { conditions, ..checked })
        }
        _ => Err(wrong_count(count).into()),
    }
}

fn wrong_count(count: usize) -> StatementFault {
    let message = match count {
        0 => "there is no statement".to_owned(),
        _ => format!("there are {count} statements where one is expected"),
    };
    StatementFault::new(StatementFaultKind::Count, message).help("send one statement per request")
}

pub(crate) fn tokenize(sql: &str) -> Result<Vec<TokenWithSpan>, QueryError> {
    if sql.len() > SQL_BYTES_MAX {
        let message = format!(
            "the statement has {} bytes, at most {SQL_BYTES_MAX} are allowed",
            sql.len()
        );
        let help = "put long lists of values into a file and join it";
        return Err(StatementFault::new(StatementFaultKind::Size, message).help(help).into());
    }
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location();
    tokens.map_err(|error| {
        let message = crate::error::lower_first(&error.message);
        let place = Place::of(sql, error.location.line, error.location.column);
        StatementFault::new(StatementFaultKind::Syntax, message)
            .at(place)
            .into()
    })
}

fn is_blank(token: &Token) -> bool {
    matches!(token, Token::Whitespace(_) | Token::SemiColon)
}

pub(crate) fn start_of(tokens: &[TokenWithSpan], sql: &str) -> Option<Place> {
    let first = tokens.iter().find(|token| !is_blank(&token.token))?;
    Place::of(sql, first.span.start.line, first.span.start.column)
}

#[cfg(test)]
mod tests;
