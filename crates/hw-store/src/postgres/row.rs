//! Reading rows without trust: what does not fit its type is a [`StoreError::Corrupt`] that names the row, never a panic.
//!
//! Texts of callers may hold the character NUL, which Postgres does not keep: [`kept`] writes it another way, and the
//! reader turns it back.

use std::borrow::Cow;
use std::fmt::Display;
use std::time::Duration;

use hw_job::{JobId, Timestamp};
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Type};

use crate::StoreError;

/// Begins the other way of writing a character: itself, or NUL. A control character that texts hardly ever hold.
const ESCAPE: char = '\u{1A}';

/// A text in a form that Postgres keeps. Texts stay in the same order, but for those that hold NUL or the escape.
pub(super) fn kept(text: &str) -> String {
    if !text.contains(['\0', ESCAPE]) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\0' => out.extend([ESCAPE, '0']),
            ESCAPE => out.extend([ESCAPE, '1']),
            c => out.push(c),
        }
    }
    out
}

/// The texts, each in the form of [`kept`].
pub(super) fn kept_all<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Vec<String> {
    texts.into_iter().map(|text| kept(text.as_ref())).collect()
}

/// The text that [`kept`] wrote so.
fn given(text: String) -> String {
    if !text.contains(ESCAPE) {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == ESCAPE) {
            (c, false) => out.push(c),
            (_, true) => out.push(if chars.next() == Some('0') { '\0' } else { ESCAPE }),
        }
    }
    out
}

/// A row of which it is known what it is about.
pub(super) struct Reader<'r> {
    row: &'r PgRow,
    what: Cow<'static, str>,
}

impl<'r> Reader<'r> {
    /// Reads `row`, which is about `what`: `a job`, `the event log`.
    pub(super) fn new(row: &'r PgRow, what: impl Display) -> Self {
        let what = Cow::Owned(what.to_string());
        Self { row, what }
    }

    /// The value of a column as it is stored; for texts of callers use [`text`](Self::text).
    pub(super) fn value<T>(&self, column: &str) -> Result<T, StoreError>
    where
        T: for<'d> Decode<'d, Postgres> + Type<Postgres>,
    {
        self.row
            .try_get::<T, _>(column)
            .map_err(|error| self.corrupt(column, error))
    }

    pub(super) fn text(&self, column: &str) -> Result<String, StoreError> {
        self.value(column).map(given)
    }

    pub(super) fn text_if_any(&self, column: &str) -> Result<Option<String>, StoreError> {
        Ok(self.value::<Option<String>>(column)?.map(given))
    }

    pub(super) fn texts(&self, column: &str) -> Result<Vec<String>, StoreError> {
        let texts: Vec<String> = self.value(column)?;
        Ok(texts.into_iter().map(given).collect())
    }

    pub(super) fn truth(&self, column: &str) -> Result<bool, StoreError> {
        self.value(column)
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
        self.parse(column, &self.value::<String>(column)?)
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
