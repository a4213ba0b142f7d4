//! Numbers and values: exact comparison, one total order, one text form as key of a map.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// A number: an integer that neither wraps nor loses digits, or a double.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// Any integer of a column, a count or a sum of them.
    Int(i128),
    /// IEEE double.
    Float(f64),
}

impl Number {
    /// The number of a JSON document. Integers beyond 64 bits arrive as floats, as the JSON reader gives them.
    pub(crate) fn from_json(number: &serde_json::Number) -> Option<Self> {
        let unsigned = number.as_u64().map(i128::from);
        let integer = unsigned.or_else(|| number.as_i64().map(i128::from));
        integer.map(Self::Int).or_else(|| number.as_f64().map(Self::Float))
    }

    /// The integer, if it is one: `5` and `5.0`, not `5.5`. Floats beyond the range of `i128` give its ends, which
    /// compare with every column value as the float would.
    pub(crate) fn integral(self) -> Option<i128> {
        match self {
            Self::Int(value) => Some(value),
            #[expect(clippy::cast_possible_truncation, reason = "saturation is meant")]
            Self::Float(value) => (value.fract() == 0.0).then_some(value as i128),
        }
    }

    /// The nearest double.
    #[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    /// Exact comparison, also of an integer with a float; `None` if one of them is NaN.
    pub fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(left), Self::Int(right)) => Some(left.cmp(&right)),
            (Self::Float(left), Self::Float(right)) => left.partial_cmp(&right),
            (Self::Int(left), Self::Float(right)) => compare_with_float(left, right),
            (Self::Float(left), Self::Int(right)) => compare_with_float(right, left).map(Ordering::reverse),
        }
    }

    /// `self - earlier`: exact for integers, an IEEE subtraction as soon as one side is a float.
    pub(crate) fn minus(self, earlier: Self) -> Self {
        match (self, earlier) {
            (Self::Int(left), Self::Int(right)) => Self::Int(left.saturating_sub(right)),
            (left, right) => Self::Float(left.as_f64() - right.as_f64()),
        }
    }

    /// As a JSON number. Integers beyond 64 bits become the nearest float; what JSON cannot write becomes the text
    /// `NaN`, `Infinity` or `-Infinity`, as rows have it.
    pub(crate) fn to_json(self) -> serde_json::Value {
        match self {
            Self::Int(value) => match serde_json::Number::from_i128(value) {
                Some(number) => serde_json::Value::Number(number),
                None => float_to_json(self.as_f64()),
            },
            Self::Float(value) => float_to_json(value),
        }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(value) => write!(formatter, "{value}"),
            Self::Float(value) => write!(formatter, "{value:?}"),
        }
    }
}

fn float_to_json(value: f64) -> serde_json::Value {
    match serde_json::Number::from_f64(value) {
        Some(number) => serde_json::Value::Number(number),
        None => serde_json::Value::from(non_finite_name(value)),
    }
}

fn non_finite_name(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "floats beyond the range are told apart first"
)]
fn compare_with_float(left: i128, right: f64) -> Option<Ordering> {
    const TWO_POW_127: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    if right.is_nan() {
        None
    } else if right >= TWO_POW_127 {
        Some(Ordering::Less)
    } else if right < -TWO_POW_127 {
        Some(Ordering::Greater)
    } else {
        let fraction = right.fract();
        let beyond = 0.0_f64.partial_cmp(&fraction).unwrap_or(Ordering::Equal);
        Some(left.cmp(&(right.trunc() as i128)).then(beyond))
    }
}

/// A double that is not NaN and not -0, so that equality and order agree.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub(crate) struct Real(f64);

impl Real {
    /// `None` for NaN, which counts as null.
    pub(crate) fn new(value: f64) -> Option<Self> {
        // Adding zero turns -0 into 0 and changes nothing else.
        (!value.is_nan()).then_some(Self(value + 0.0))
    }

    pub(crate) fn get(self) -> f64 {
        self.0
    }
}

impl From<Real> for f64 {
    fn from(real: Real) -> Self {
        real.0
    }
}

impl TryFrom<f64> for Real {
    type Error = &'static str;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        Self::new(value).ok_or("NaN is no value")
    }
}

impl Eq for Real {}

impl Ord for Real {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl std::hash::Hash for Real {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// A non-null value of a column. Timestamps and dates are integers in the stored unit. The order is that of the
/// values; a column never mixes variants.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Scalar {
    Bool(bool),
    Int(i128),
    Float(Real),
    Text(Box<str>),
}

impl Scalar {
    pub(crate) fn number(&self) -> Option<Number> {
        match self {
            Self::Int(value) => Some(Number::Int(*value)),
            Self::Float(value) => Some(Number::Float(value.get())),
            Self::Bool(_) | Self::Text(_) => None,
        }
    }

    /// The text of the value as key of a map: `3`, `10.0`, `True`, the string itself.
    pub(crate) fn key(&self) -> String {
        match self {
            Self::Bool(true) => "True".to_owned(),
            Self::Bool(false) => "False".to_owned(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) if value.get().is_infinite() => non_finite_name(value.get()).to_owned(),
            Self::Float(value) => format!("{:?}", value.get()),
            Self::Text(text) => text.to_string(),
        }
    }
}
