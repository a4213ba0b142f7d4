//! Functions whose result can be far larger than what they are given, with a limit.
//!
//! `repeat('x', 2000000000)` and `range(0, 1000000000)` make values outside of the memory pool, in one piece. They are
//! estimated first; what is too large is refused instead of being tried until the process is killed.

use std::sync::Arc;

use arrow::compute::kernels::length::length;
use arrow::datatypes::{Float64Type, IntervalMonthDayNanoType};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, FieldRef, IntervalUnit, TimeUnit};
use datafusion::arrow::compute::cast;
use datafusion::common::DataFusionError;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use crate::error::QueryError;

/// Bytes that one call may make for one batch of rows.
const RESULT_BYTES_MAX: f64 = (256 << 20) as f64;

/// Bytes that an item of a list is taken to have.
const ITEM_BYTES: f64 = 8.0;

/// How the size of a result is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Growth {
    /// The text as often as the number says.
    TextTimes,
    /// As many characters as the number says.
    TextOf,
    /// Each place of the second text becomes the third.
    Replacing,
    /// As many items as the number says.
    ItemsOf,
    /// The items between two bounds, by a step.
    Between,
}

const GROWING: &[(&str, Growth)] = &[
    ("repeat", Growth::TextTimes),
    ("lpad", Growth::TextOf),
    ("rpad", Growth::TextOf),
    ("replace", Growth::Replacing),
    ("array_repeat", Growth::ItemsOf),
    ("array_resize", Growth::ItemsOf),
    ("range", Growth::Between),
    ("generate_series", Growth::Between),
];

/// The same functions, those that can grow with a limit around them.
pub(crate) fn bounded(functions: Vec<Arc<ScalarUDF>>) -> Vec<Arc<ScalarUDF>> {
    let with_limit = |function: Arc<ScalarUDF>| match GROWING.iter().find(|(name, _)| *name == function.name()) {
        Some((_, growth)) => Arc::new(ScalarUDF::new_from_impl(Bounded {
            inner: function,
            growth: *growth,
        })),
        None => function,
    };
    functions.into_iter().map(with_limit).collect()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    growth: Growth,
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String, DataFusionError> {
        self.inner.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType, DataFusionError> {
        self.inner.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef, DataFusionError> {
        self.inner.return_field_from_args(args)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>, DataFusionError> {
        self.inner.coerce_types(types)
    }

    fn simplify(&self, args: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult, DataFusionError> {
        self.inner.simplify(args, context)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue, DataFusionError> {
        let bytes = estimate(self.growth, &args)?;
        if bytes <= RESULT_BYTES_MAX {
            return self.inner.invoke_with_args(args);
        }
        let message = format!(
            "`{}` would make {bytes:.0} bytes at once, at most {RESULT_BYTES_MAX:.0} are allowed",
            self.inner.name()
        );
        Err(QueryError::Data { message }.into())
    }
}

/// Bytes of the result of a call, roughly. 0 where nothing can be said: the function itself tells what is wrong then.
fn estimate(growth: Growth, args: &ScalarFunctionArgs) -> Result<f64, DataFusionError> {
    // A call over constants gives one value, however many rows there are.
    let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
    let rows = if constant { 1 } else { args.number_rows };
    let arrays = args
        .args
        .iter()
        .map(|arg| arg.to_array(rows))
        .collect::<Result<Vec<_>, _>>()?;
    let bytes = match (growth, arrays.as_slice()) {
        (Growth::TextTimes, [text, times]) => sum(rows, &[lengths(text), numbers(times)], product),
        (Growth::TextOf, [_, characters, ..]) => sum(rows, &[numbers(characters)], product),
        (Growth::Replacing, [text, from, to]) => sum(rows, &[lengths(text), lengths(from), lengths(to)], replaced),
        (Growth::ItemsOf, [_, items, ..]) => sum(rows, &[numbers(items)], product) * ITEM_BYTES,
        (Growth::Between, [stop]) => sum(rows, &[numbers(stop)], product) * ITEM_BYTES,
        (Growth::Between, [start, stop]) => sum(rows, &[points(start), points(stop)], between) * ITEM_BYTES,
        (Growth::Between, [start, stop, step]) => {
            sum(rows, &[points(start), points(stop), steps(step)], between) * ITEM_BYTES
        }
        _ => 0.0,
    };
    Ok(bytes)
}

/// The sum of `of` over all rows in which no column is null.
fn sum(rows: usize, columns: &[Option<ArrayRef>], of: impl Fn(&[f64]) -> f64) -> f64 {
    let known: Option<Vec<_>> = columns
        .iter()
        .map(|column| Some(column.as_ref()?.as_primitive::<Float64Type>()))
        .collect();
    let Some(columns) = known else {
        return 0.0;
    };
    let mut values = Vec::with_capacity(columns.len());
    (0..rows)
        .filter(|row| columns.iter().all(|column| column.is_valid(*row)))
        .map(|row| {
            values.clear();
            values.extend(columns.iter().map(|column| column.value(row)));
            of(&values)
        })
        .sum()
}

fn product(values: &[f64]) -> f64 {
    values.iter().map(|value| value.max(0.0)).product()
}

fn replaced(values: &[f64]) -> f64 {
    match values {
        [text, from, to] => text + text / from.max(1.0) * to,
        _ => 0.0,
    }
}

fn between(values: &[f64]) -> f64 {
    match values {
        [start, stop] => (stop - start).max(0.0) + 1.0,
        [start, stop, step] if *step != 0.0 => ((stop - start) / step).max(0.0) + 1.0,
        _ => 0.0,
    }
}

/// Bytes of each text.
fn lengths(texts: &ArrayRef) -> Option<ArrayRef> {
    numbers(&length(texts.as_ref()).ok()?)
}

fn numbers(values: &ArrayRef) -> Option<ArrayRef> {
    cast(values, &DataType::Float64).ok()
}

/// Numbers as they are, points in time in milliseconds.
fn points(values: &ArrayRef) -> Option<ArrayRef> {
    if !values.data_type().is_temporal() {
        return numbers(values);
    }
    let milliseconds = cast(values, &DataType::Timestamp(TimeUnit::Millisecond, None)).ok()?;
    numbers(&cast(&milliseconds, &DataType::Int64).ok()?)
}

/// Numbers as they are, intervals in milliseconds, months at their shortest.
fn steps(values: &ArrayRef) -> Option<ArrayRef> {
    if !matches!(values.data_type(), DataType::Interval(_)) {
        return numbers(values);
    }
    let intervals = cast(values, &DataType::Interval(IntervalUnit::MonthDayNano)).ok()?;
    let intervals = intervals.as_primitive_opt::<IntervalMonthDayNanoType>()?;
    let milliseconds = intervals.unary::<_, Float64Type>(|interval| {
        let days = f64::from(interval.months) * 28.0 + f64::from(interval.days);
        days * 86_400_000.0 + nanoseconds(interval.nanoseconds) / 1e6
    });
    Some(Arc::new(milliseconds))
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn nanoseconds(value: i64) -> f64 {
    value as f64
}
