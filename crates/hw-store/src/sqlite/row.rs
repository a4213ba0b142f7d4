//! Reading rows without trust: what does not fit its type is a [`StoreError::Corrupt`] that names the row, never a panic.

use std::fmt::Display;
use std::time::Duration;

use hw_job::{JobId, Timestamp};
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Sqlite, Type};

use crate::StoreError;

/// A row of which it is known what it is about.
pub(super) struct Reader<'r> {
    row: &'r SqliteRow,
    what: String,
}

impl<'r> Reader<'r> {
    /// Reads `row`, which is about `what`: `job 0190…`, `event 7`.
    pub(super) fn new(row: &'r SqliteRow, what: impl Display) -> Self {
        let what = what.to_string();
        Self { row, what }
    }

    /// The value of a column as it is stored.
    pub(super) fn value<T>(&self, column: &str) -> Result<T, StoreError>
    where
        T: for<'d> Decode<'d, Sqlite> + Type<Sqlite>,
    {
        self.row
            .try_get::<T, _>(column)
            .map_err(|error| self.corrupt(column, error))
    }

    pub(super) fn text(&self, column: &str) -> Result<String, StoreError> {
        self.value(column)
    }

    pub(super) fn truth(&self, column: &str) -> Result<bool, StoreError> {
        Ok(self.value::<i64>(column)? != 0)
    }

    /// A number that is never negative.
    pub(super) fn number<T: TryFrom<i64>>(&self, column: &str) -> Result<T, StoreError> {
        let value: i64 = self.value(column)?;
        T::try_from(value).map_err(|_| self.corrupt(column, format!("{value} is out of range")))
    }

    pub(super) fn timestamp(&self, column: &str) -> Result<Timestamp, StoreError> {
        self.value(column).map(Timestamp)
    }

    pub(super) fn timestamp_if_any(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.value::<Option<i64>>(column)?.map(Timestamp))
    }

    pub(super) fn duration_if_any(&self, column: &str) -> Result<Option<Duration>, StoreError> {
        let micros: Option<i64> = self.value(column)?;
        Ok(micros.map(|micros| Duration::from_micros(u64::try_from(micros).unwrap_or(0))))
    }

    /// A word that `parse` knows.
    pub(super) fn word<T>(&self, column: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
        let word = self.text(column)?;
        parse(&word).ok_or_else(|| self.corrupt(column, format!("unknown word `{word}`")))
    }

    pub(super) fn job_id(&self, column: &str) -> Result<JobId, StoreError> {
        self.text(column)?.parse().map_err(|error| self.corrupt(column, error))
    }

    /// A document.
    pub(super) fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        self.parse(column, &self.text(column)?)
    }

    pub(super) fn json_if_any<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, StoreError> {
        let text: Option<String> = self.value(column)?;
        text.map(|text| self.parse(column, &text)).transpose()
    }

    fn parse<T: DeserializeOwned>(&self, column: &str, text: &str) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|error| self.corrupt(column, error))
    }

    pub(super) fn corrupt(&self, column: &str, error: impl Display) -> StoreError {
        StoreError::Corrupt(format!("{}: `{column}`: {error}", self.what))
    }
}
