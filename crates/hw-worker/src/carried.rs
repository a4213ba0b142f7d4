//! Documents that jobs and tasks carry: parameters, tasks, outcomes.

use hw_job::{ErrorClass, Failure};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A document as the store keeps it.
pub(crate) fn written<T: Serialize>(document: &T) -> Value {
    serde_json::to_value(document).unwrap_or(Value::Null)
}

/// What a document holds.
///
/// # Errors
/// HW-J023 if it has another form.
pub(crate) fn read<T: DeserializeOwned>(document: &Value) -> Result<T, Failure> {
    T::deserialize(document).map_err(|error| unreadable(&error.to_string()))
}

/// A document that makes no sense.
pub(crate) fn unreadable(reason: &str) -> Failure {
    Failure::new(
        ErrorClass::Internal,
        "HW-J023",
        format!("a document of the job cannot be read: {reason}"),
    )
    .help("it was written by another version or damaged; run the job again")
}
