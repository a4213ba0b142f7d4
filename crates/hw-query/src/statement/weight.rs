//! How large a statement becomes when everything it names is put in wherever it is named.
//!
//! WITH clauses and views are put in as often as they are named. A few of them that name each other twice make a plan
//! of billions of operators, over which the planner would sit for ever. So what a statement will grow to is counted
//! beforehand: one for each table and each query, and for a WITH clause or a view as much as it holds.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::common::TableReference;
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::planner::object_name_to_table_reference;
use datafusion::sql::sqlparser::ast::{Ident, ObjectName, Query, TableFactor, Visit, Visitor};

use crate::error::{StatementFault, StatementFaultKind};

/// Tables and queries of one statement, repetitions counted.
const WEIGHT_MAX: u64 = 10_000;

/// The optimiser goes twice into each query within an expression, and so four times into one within that.
const EXPRESSION_FACTOR: u64 = 2;

/// The weight of a statement; `weight_of` gives that of a view, 1 for tables.
///
/// # Errors
/// A [`StatementFault`] if it is too large to be planned.
pub(crate) fn weight(parsed: &Parsed, weight_of: impl Fn(&TableReference) -> u64) -> Result<u64, StatementFault> {
    let mut scale = Scale {
        weight_of: &weight_of,
        open: vec![Frame::default()],
        tables: Vec::new(),
    };
    match parsed {
        Parsed::Statement(ast) => drop(ast.visit(&mut scale)),
        Parsed::Explain(explain) => return weight(&explain.statement, weight_of),
        Parsed::Reset(_) | Parsed::CreateExternalTable(_) | Parsed::CopyTo(_) => {}
    }
    let weight = scale.open.first().map_or(0, |frame| frame.weight);
    match weight {
        0..=WEIGHT_MAX => Ok(weight),
        _ => Err(too_heavy(weight)),
    }
}

fn too_heavy(weight: u64) -> StatementFault {
    let message = format!("the statement grows to {weight} tables and queries, at most {WEIGHT_MAX} are allowed");
    StatementFault::new(StatementFaultKind::Size, message)
        .help("WITH clauses and views count as often as they are named, queries within expressions double with depth")
}

struct Scale<'a> {
    weight_of: &'a dyn Fn(&TableReference) -> u64,
    /// Queries under way, outermost first.
    open: Vec<Frame>,
    /// Queries that stand where a table does.
    tables: Vec<*const Query>,
}

#[derive(Default)]
struct Frame {
    weight: u64,
    /// The queries of this one's WITH clauses, by address, and their names.
    clauses: HashMap<*const Query, String>,
    /// Weights of the clauses that are complete.
    named: HashMap<String, u64>,
}

fn folded(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}

impl Scale<'_> {
    fn add(&mut self, weight: u64) {
        if let Some(frame) = self.open.last_mut() {
            frame.weight = frame.weight.saturating_add(weight);
        }
    }

    fn clause(&self, name: &TableReference) -> Option<u64> {
        let TableReference::Bare { table } = name else {
            return None;
        };
        self.open
            .iter()
            .rev()
            .find_map(|frame| frame.named.get(table.as_ref()).copied())
    }
}

impl Visitor for Scale<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let clauses = query.with.iter().flat_map(|with| &with.cte_tables);
        self.open.push(Frame {
            weight: 1,
            clauses: clauses
                .map(|clause| (&raw const *clause.query, folded(&clause.alias.name)))
                .collect(),
            named: HashMap::new(),
        });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let weight = self.open.pop().map_or(0, |frame| frame.weight);
        let address: *const Query = query;
        if let Some(outer) = self.open.last_mut()
            && let Some(name) = outer.clauses.remove(&address)
        {
            outer.named.insert(name, weight);
            return ControlFlow::Continue(());
        }
        let is_table = self.tables.last() == Some(&address);
        if is_table {
            self.tables.pop();
        }
        let is_outermost = self.open.len() == 1;
        let factor = if is_table || is_outermost { 1 } else { EXPRESSION_FACTOR };
        self.add(weight.saturating_mul(factor));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Derived { subquery, .. } = factor {
            self.tables.push(&raw const **subquery);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        if let Ok(name) = object_name_to_table_reference(name.clone(), true) {
            let weight = self.clause(&name).unwrap_or_else(|| (self.weight_of)(&name));
            self.add(weight);
        }
        ControlFlow::Continue(())
    }
}
