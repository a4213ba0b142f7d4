//! Values for the placeholders `$1`, `$2`, ….

use std::collections::BTreeSet;

use datafusion::common::ScalarValue;
use serde_json::{Number, Value};

use crate::error::{QueryError, StatementFault, StatementFaultKind};

/// The engine's values for JSON parameters.
///
/// # Errors
/// [`QueryError::Statement`] naming every placeholder without a value, every value without a placeholder, and every
/// list or object.
pub(crate) fn values(params: &[Value], placeholders: &BTreeSet<usize>) -> Result<Vec<ScalarValue>, QueryError> {
    let mut faults = Vec::new();
    let mut values = Vec::with_capacity(params.len());
    for (index, param) in params.iter().enumerate() {
        if !placeholders.contains(&(index + 1)) {
            faults.push(fault(
                index,
                format!("the statement has no placeholder `${}`", index + 1),
            ));
        }
        match scalar(param) {
            Some(value) => values.push(value),
            None => faults.push(
                fault(
                    index,
                    "a parameter is null, a truth value, a number or a text".to_owned(),
                )
                .help("pass lists and objects as text and take them apart in the query"),
            ),
        }
    }
    for missing in placeholders.iter().filter(|number| **number > params.len()) {
        let message = format!("there is no value for the placeholder `${missing}`");
        faults.push(StatementFault::new(StatementFaultKind::Parameter, message).help("give one value per placeholder"));
    }
    match faults.is_empty() {
        true => Ok(values),
        false => Err(QueryError::Statement(faults)),
    }
}

fn fault(index: usize, message: String) -> StatementFault {
    StatementFault::new(StatementFaultKind::Parameter, message).pointer(format!("/params/{index}"))
}

fn scalar(value: &Value) -> Option<ScalarValue> {
    match value {
        Value::Null => Some(ScalarValue::Null),
        Value::Bool(value) => Some(ScalarValue::Boolean(Some(*value))),
        Value::Number(number) => number_scalar(number),
        Value::String(text) => Some(ScalarValue::Utf8(Some(text.clone()))),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn number_scalar(number: &Number) -> Option<ScalarValue> {
    let signed = number.as_i64().map(|value| ScalarValue::Int64(Some(value)));
    let unsigned = || number.as_u64().map(|value| ScalarValue::UInt64(Some(value)));
    let float = || number.as_f64().map(|value| ScalarValue::Float64(Some(value)));
    signed.or_else(unsigned).or_else(float)
}
