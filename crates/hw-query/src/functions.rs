//! Proposals for functions that do not exist.

use datafusion::execution::SessionState;
use datafusion::sql::parser::Statement as Parsed;
use hw_catalog::closest;

use crate::error::{QueryError, StatementFault, StatementFaultKind};
use crate::statement::{Call, functions_called};

/// Where a statement failed for a function that does not exist, tells all such functions, each at its place.
pub(crate) fn explain_unknown(error: QueryError, parsed: &Parsed, sql: &str, state: &SessionState) -> QueryError {
    let QueryError::Statement(mut faults) = error else {
        return error;
    };
    let is_unknown = |fault: &StatementFault| fault.kind == StatementFaultKind::UnknownFunction;
    if !faults.iter().any(is_unknown) {
        return QueryError::Statement(faults);
    }
    let unknown = unknown_calls(parsed, sql, state);
    if !unknown.is_empty() {
        faults.retain(|fault| !is_unknown(fault));
        faults.extend(unknown);
        faults.sort_by_key(|fault| fault.place.map(|place| place.offset));
    }
    QueryError::Statement(faults)
}

fn unknown_calls(parsed: &Parsed, sql: &str, state: &SessionState) -> Vec<StatementFault> {
    let functions = functions(state);
    let tables: Vec<String> = state.table_functions().keys().cloned().collect();
    let calls = functions_called(parsed, sql).into_iter();
    let unknown = calls.filter_map(|call| {
        let (what, known) = match call.makes_table {
            true => ("table function", &tables),
            false => ("function", &functions),
        };
        (!known.contains(&call.name)).then(|| unknown_function(&call, what, known))
    });
    unknown.collect()
}

fn functions(state: &SessionState) -> Vec<String> {
    let scalar = state.scalar_functions().keys();
    let aggregate = state.aggregate_functions().keys();
    let window = state.window_functions().keys();
    let higher_order = state.higher_order_functions().keys();
    scalar
        .chain(aggregate)
        .chain(window)
        .chain(higher_order)
        .cloned()
        .collect()
}

fn unknown_function(call: &Call, what: &str, known: &[String]) -> StatementFault {
    let message = format!("there is no {what} `{}`", call.name);
    let fault = StatementFault::new(StatementFaultKind::UnknownFunction, message).at(call.place);
    match closest(&call.name, known.iter().map(String::as_str)) {
        Some(near) => fault.help(format!("did you mean `{near}`? `SHOW FUNCTIONS` lists all")),
        None => fault.help("`SHOW FUNCTIONS` lists all"),
    }
}
