//! Times of a document: the timeframe and durations, brought into the stored unit of the time column.

use serde_json::Value;

use super::Binder;
use crate::column::ColumnKind;
use crate::document::{Document, empty_timeframe};
use crate::finding::{Fault, Finding, Located, Pointer, excerpt};
use crate::query::Column;
use crate::scalar::Number;
use crate::time::{TimeBounds, TimeValue, parse_duration};

/// Factor between a bound of the timeframe and the dataset's times from which on the units are taken to differ.
const SCALE_FACTOR: f64 = 100.0;

impl Binder<'_> {
    pub(super) fn timeframe(&mut self, document: &Document) -> TimeBounds {
        let Some(column) = self.time.clone() else {
            return TimeBounds::default();
        };
        let from = document.from.as_ref().and_then(|from| self.bound(from, &column));
        let to = document.to.as_ref().and_then(|to| self.bound(to, &column));
        if let (Some(first), Some(end), Some(from), Some(to)) = (&document.from, &document.to, from, to) {
            // Two numbers have been compared before.
            let is_text = first.value.is_string() || end.value.is_string();
            if is_text && to.compare(from).is_some_and(|order| order.is_le()) {
                self.findings.push(empty_timeframe(first, end));
            }
        }
        let bounds = TimeBounds {
            from: from.map(|from| from.stored),
            to: to.map(|to| to.stored),
        };
        self.check_range(document, bounds);
        bounds
    }

    /// A bound in the stored unit.
    fn bound(&mut self, bound: &Located<Value>, column: &Column) -> Option<Bound> {
        let read = Bound::of(&bound.value, &column.kind);
        read.map_err(|reason| self.report_value(&bound.at, &bound.value, &reason, column))
            .ok()
    }

    fn check_range(&mut self, document: &Document, bounds: TimeBounds) {
        let Some((min, max)) = self.dataset.time_range else {
            return;
        };
        let from = document.from.as_ref().zip(bounds.from);
        let to = document.to.as_ref().zip(bounds.to);
        let is_from_right = from.is_none_or(|from| self.is_to_scale(from, (min, max), ("minimum", min)));
        let is_to_right = to.is_none_or(|to| self.is_to_scale(to, (min, max), ("maximum", max)));
        let is_after = bounds
            .from
            .is_some_and(|from| from.compare(max).is_some_and(|order| order.is_gt()));
        let is_before = bounds
            .to
            .is_some_and(|to| to.compare(min).is_some_and(|order| order.is_le()));
        if (is_after || is_before) && is_from_right && is_to_right {
            let message = format!("the timeframe selects no rows: the dataset's times go from {min} to {max}");
            self.warnings.push(Finding::new(
                Fault::EmptyTimeframe,
                &Pointer::default().key("timeframe"),
                message,
            ));
        }
    }

    /// Refuses a number that is probably in another unit. A time within the dataset's range is always right, and text
    /// has no unit to mistake.
    fn is_to_scale(
        &mut self,
        (written, bound): (&Located<Value>, TimeValue),
        (min, max): (TimeValue, TimeValue),
        (end_name, end): (&str, TimeValue),
    ) -> bool {
        let is_inside = bound.compare(min).is_some_and(|order| order.is_ge())
            && bound.compare(max).is_some_and(|order| order.is_le());
        let (size, reference) = (bound.as_f64(), end.as_f64());
        if is_inside || written.value.is_string() || size <= 0.0 || reference <= 0.0 {
            return true;
        }
        let factor = if size > reference {
            size / reference
        } else {
            reference / size
        };
        let is_to_scale = factor < SCALE_FACTOR;
        if !is_to_scale {
            let message = format!(
                "the time {} is not of the scale of the dataset's {end_name} {end}",
                excerpt(&written.value)
            );
            let help =
                "write times in the unit of the time column; seconds and milliseconds differ by a factor of 1000";
            self.findings
                .push(Finding::new(Fault::TypeMismatch, &written.at, message).help(help));
        }
        is_to_scale
    }

    /// A duration in the stored unit. Text is rounded down to it, which compares alike.
    pub(super) fn duration(&mut self, limit: &Located<Value>) -> Option<TimeValue> {
        let column = self.time.clone()?;
        let number = limit.value.as_number().and_then(Number::from_json);
        let span = match (&limit.value, &column.kind) {
            (Value::String(text), ColumnKind::Calendar(calendar)) => parse_duration(text)
                .map(|nanos| Number::Int(nanos / calendar.unit))
                .ok_or("a duration is expected"),
            (Value::String(_), _) => Err("its unit is unknown, a number in that unit is expected"),
            (_, ColumnKind::Float) => number.ok_or("a number is expected"),
            _ => number
                .and_then(Number::integral)
                .map(Number::Int)
                .ok_or("an integer is expected"),
        };
        span.map_err(|reason| self.report_value(&limit.at, &limit.value, reason, &column))
            .ok()
    }
}

/// A bound of the timeframe.
#[derive(Debug, Clone, Copy)]
struct Bound {
    /// As written, in nanoseconds where the column is a timestamp or date.
    exact: Number,
    /// In the stored unit; selects the same rows.
    stored: TimeValue,
}

impl Bound {
    /// The error says what is expected instead.
    fn of(value: &Value, kind: &ColumnKind) -> Result<Self, String> {
        let number = value.as_number().and_then(Number::from_json);
        let number = match kind {
            ColumnKind::Calendar(calendar) => {
                let nanos = calendar.nanos(value)?;
                let stored = Number::Int(calendar.stored_at_or_after(nanos));
                return Ok(Self {
                    exact: Number::Int(nanos),
                    stored,
                });
            }
            ColumnKind::Float => number
                .map(|number| Number::Float(number.as_f64()))
                .ok_or("a number is expected"),
            _ => number
                .and_then(Number::integral)
                .map(Number::Int)
                .ok_or("an integer is expected"),
        }?;
        Ok(Self {
            exact: number,
            stored: number,
        })
    }

    fn compare(self, other: Self) -> Option<std::cmp::Ordering> {
        self.exact.compare(other.exact)
    }
}
