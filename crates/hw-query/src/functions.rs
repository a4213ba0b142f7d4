//! Proposals for functions that do not exist.

use datafusion::execution::SessionState;
use datafusion::sql::parser::Statement as Parsed;
use hw_catalog::closest;

use crate::error::{QueryError, StatementFault, StatementFaultKind};
use crate::statement::functions_called;

/// Where a statement failed for a function that does not exist, tells all such functions, each at its place.
pub(crate) fn explain_unknown(error: QueryError, parsed: &Parsed, sql: &str, state: &SessionState) -> QueryError {
    let QueryError::Statement(faults) = error else {
        return error;
    };
    if !faults
        .iter()
        .any(|fault| fault.kind == StatementFaultKind::UnknownFunction && fault.place.is_none())
    {
        return QueryError::Statement(faults);
    }
    let known = names(state);
    let unknown: Vec<StatementFault> = functions_called(parsed, sql)
        .into_iter()
        .filter(|(name, _)| !known.contains(name))
        .map(|(name, place)| unknown_function(&name, &known).at(place))
        .collect();
    match unknown.is_empty() {
        true => QueryError::Statement(faults),
        false => QueryError::Statement(unknown),
    }
}

fn names(state: &SessionState) -> Vec<String> {
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

fn unknown_function(name: &str, known: &[String]) -> StatementFault {
    let fault = StatementFault::new(
        StatementFaultKind::UnknownFunction,
        format!("there is no function `{name}`"),
    );
    match closest(name, known.iter().map(String::as_str)) {
        Some(near) => fault.help(format!("did you mean `{near}`? `SHOW FUNCTIONS` lists all")),
        None => fault.help("`SHOW FUNCTIONS` lists all"),
    }
}
