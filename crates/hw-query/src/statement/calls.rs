//! The functions that a statement calls.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast::{Expr, ObjectName, ObjectNamePart, TableFactor, Visit, Visitor};

use crate::error::Place;

/// A call of a function, its name folded to lower case unless quoted.
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) place: Option<Place>,
    /// Whether it stands where a table does.
    pub(crate) makes_table: bool,
}

/// The functions that a statement calls.
pub(crate) fn functions_called(parsed: &Parsed, sql: &str) -> Vec<Call> {
    let mut calls = Calls { sql, found: Vec::new() };
    calls_within(parsed, &mut calls);
    calls.found
}

fn calls_within(parsed: &Parsed, calls: &mut Calls<'_>) {
    match parsed {
        Parsed::Statement(ast) => drop(ast.visit(calls)),
        Parsed::Explain(explain) => calls_within(&explain.statement, calls),
        Parsed::Reset(_) | Parsed::CreateExternalTable(_) | Parsed::CopyTo(_) => {}
    }
}

struct Calls<'a> {
    sql: &'a str,
    found: Vec<Call>,
}

impl Calls<'_> {
    fn note(&mut self, name: &ObjectName, makes_table: bool) {
        let [ObjectNamePart::Identifier(name)] = name.0.as_slice() else {
            return;
        };
        let text = match name.quote_style {
            Some(_) => name.value.clone(),
            None => name.value.to_lowercase(),
        };
        let start = name.span.start;
        self.found.push(Call {
            name: text,
            place: Place::of(self.sql, start.line, start.column),
            makes_table,
        });
    }
}

impl Visitor for Calls<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(call) = expr {
            self.note(&call.name, false);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table {
                name, args: Some(_), ..
            }
            | TableFactor::Function { name, .. } => self.note(name, true),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
