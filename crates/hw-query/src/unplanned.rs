//! What keeps a statement from being planned, all of it.
//!
//! The planner stops at the first column that it does not know. Whatever it stopped at is replaced by a placeholder, which fits
//! anywhere, and the statement is planned again, until nothing else of the kind turns up. Only names that do not exist are
//! looked for in this way: other faults of a statement with replaced parts may come of these.

use std::ops::ControlFlow;

use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::{Expr, Ident, Select, SelectItem, Value, VisitMut, VisitorMut};

use crate::engine::Limits;
use crate::error::{Place, QueryError, StatementFault, StatementFaultKind, classify};
use crate::functions::explain_unknown;

/// Most rounds of planning, and so of columns told at once.
const ROUNDS_MAX: usize = 20;

/// How the names of placeholders begin that no statement has.
const PLACEHOLDER: &str = "$headwater_unknown_";

/// Everything that is wrong with a statement whose planning failed with `first`, in the order of the text.
pub(crate) async fn faults_of(
    first: DataFusionError,
    parsed: &Parsed,
    sql: &str,
    state: &SessionState,
    limits: &Limits,
) -> QueryError {
    let mut faults = match explain_unknown(classify(first, sql, limits), parsed, sql, state) {
        QueryError::Statement(faults) => faults,
        other => return other,
    };
    let mut mended = parsed.clone();
    let mut replaced = 0;
    let mut newest = names(&faults);
    for _ in 0..ROUNDS_MAX {
        let before = replaced;
        replaced = replace(&mut mended, sql, &newest, before);
        if replaced == before {
            break;
        }
        let Err(error) = state.statement_to_plan(mended.clone()).await else {
            break;
        };
        let QueryError::Statement(mut found) = classify(error, sql, limits) else {
            break;
        };
        found.retain(|fault| is_name(fault) && !faults.contains(fault));
        found.iter_mut().for_each(forget_placeholders);
        newest = names(&found);
        faults.extend(found);
    }
    faults.sort_by_key(|fault| fault.place.map(|place| place.offset));
    QueryError::Statement(faults)
}

/// Whether a name does not exist; its place is known then.
fn is_name(fault: &StatementFault) -> bool {
    use StatementFaultKind::{Column, UnknownFunction};
    matches!(fault.kind, Column | UnknownFunction) && fault.place.is_some()
}

/// A list of columns is of no use with placeholders in it.
fn forget_placeholders(fault: &mut StatementFault) {
    fault.help = fault.help.take().filter(|help| !help.contains(PLACEHOLDER));
}

fn names(faults: &[StatementFault]) -> Vec<Place> {
    let names = faults.iter().filter(|fault| is_name(fault));
    names.filter_map(|fault| fault.place).collect()
}

/// Replaces the columns and calls at these places; how many were replaced in all, with those before.
fn replace(parsed: &mut Parsed, sql: &str, places: &[Place], replaced: usize) -> usize {
    let mut replacing = Replacing { sql, places, replaced };
    within(parsed, &mut replacing);
    replacing.replaced
}

fn within(parsed: &mut Parsed, replacing: &mut Replacing<'_>) {
    match parsed {
        Parsed::Statement(ast) => drop(VisitMut::visit(ast.as_mut(), replacing)),
        Parsed::Explain(explain) => within(&mut explain.statement, replacing),
        Parsed::Reset(_) | Parsed::CreateExternalTable(_) | Parsed::CopyTo(_) => {}
    }
}

struct Replacing<'a> {
    sql: &'a str,
    places: &'a [Place],
    /// Each has a name of its own: columns of the same name would be a fault.
    replaced: usize,
}

impl Replacing<'_> {
    /// What stands for the expression, if it is a column or call that is meant.
    fn replacement(&mut self, expr: &Expr) -> Option<Expr> {
        let name = match expr {
            Expr::Identifier(name) => Some(name),
            Expr::CompoundIdentifier(names) => names.first(),
            Expr::Function(call) => call.name.0.first().and_then(|part| part.as_ident()),
            _ => None,
        };
        name.filter(|name| self.is_meant(name))?;
        let placeholder = Value::Placeholder(format!("{PLACEHOLDER}{}", self.replaced));
        self.replaced += 1;
        Some(Expr::value(placeholder))
    }

    /// A column of SELECT keeps its name, which other parts of the statement may use.
    fn replace_column(&mut self, item: &mut SelectItem) {
        let SelectItem::UnnamedExpr(expr) = item else { return };
        let alias = match expr {
            Expr::Identifier(name) => Some(name.clone()),
            Expr::CompoundIdentifier(names) => names.last().cloned(),
            _ => None,
        };
        if let Some(alias) = alias
            && let Some(expr) = self.replacement(expr)
        {
            *item = SelectItem::ExprWithAlias { expr, alias };
        }
    }

    fn is_meant(&self, name: &Ident) -> bool {
        let start = name.span.start;
        let place = Place::of(self.sql, start.line, start.column);
        place.is_some_and(|place| self.places.contains(&place))
    }
}

impl VisitorMut for Replacing<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        select.projection.iter_mut().for_each(|item| self.replace_column(item));
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(replacement) = self.replacement(expr) {
            *expr = replacement;
        }
        ControlFlow::Continue(())
    }
}
