//! Measured numbers as a file: a row for each, a column for each label.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use hw_job::Failure;

use crate::tabular;

/// A number that was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What was measured.
    pub name: &'static str,
    /// How much it was.
    pub value: f64,
    /// Labels by name.
    pub labels: Vec<(&'static str, String)>,
}

/// Which file is made of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleFormat {
    /// Apache Parquet.
    Parquet,
    /// CSV with a header line.
    Csv,
}

/// The samples in their order: columns `name`, `value`, then every label; null where a sample has it not.
///
/// # Errors
/// [`Failure`] of a bug of ours.
pub fn samples_file(samples: &[Sample], format: SampleFormat) -> Result<Vec<u8>, Failure> {
    let mut labels: Vec<&str> = Vec::new();
    for (label, _) in samples.iter().flat_map(|sample| &sample.labels) {
        if !labels.contains(label) {
            labels.push(label);
        }
    }
    let names: ArrayRef = Arc::new(StringArray::from_iter_values(samples.iter().map(|sample| sample.name)));
    let values: ArrayRef = Arc::new(Float64Array::from_iter_values(
        samples.iter().map(|sample| sample.value),
    ));
    let mut columns = vec![("name", names), ("value", values)];
    columns.extend(labels.into_iter().map(|label| (label, column(samples, label))));
    let batch = RecordBatch::try_from_iter(columns).map_err(|error| tabular::broken(&error))?;
    match format {
        SampleFormat::Parquet => tabular::parquet(&batch),
        SampleFormat::Csv => tabular::csv(&batch),
    }
}

fn column(samples: &[Sample], label: &str) -> ArrayRef {
    let value = |sample: &Sample| {
        let found = sample.labels.iter().find(|(name, _)| *name == label);
        found.map(|(_, value)| value.clone())
    };
    Arc::new(samples.iter().map(value).collect::<StringArray>())
}
