//! Operators of filters and targets.

use std::cmp::Ordering;

/// The six comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Comparison {
    pub(crate) const ALL: [Self; 6] = [
        Self::Equal,
        Self::NotEqual,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::Less,
        Self::LessOrEqual,
    ];

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|comparison| comparison.text() == text)
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
        }
    }

    /// Whether the comparison holds for this order of its sides; `None` means that they have no order (a null, a
    /// NaN), which only `!=` accepts.
    pub(crate) fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::NotEqual => order != Some(Ordering::Equal),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => order.is_some_and(Ordering::is_le),
        }
    }
}

/// All operators of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Compare(Comparison),
    Contains,
    NotContains,
    In,
    NotIn,
    StartsWith,
    Regex,
    IsNull,
    IsNotNull,
}

impl Operator {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let words = [
            Self::Contains,
            Self::NotContains,
            Self::In,
            Self::NotIn,
            Self::StartsWith,
            Self::Regex,
            Self::IsNull,
            Self::IsNotNull,
        ];
        Comparison::ALL.into_iter().map(Self::Compare).chain(words)
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::all().find(|operator| operator.text() == text)
    }

    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Compare(comparison) => comparison.text(),
            Self::Contains => "contains",
            Self::NotContains => "not contains",
            Self::In => "in",
            Self::NotIn => "not in",
            Self::StartsWith => "starts with",
            Self::Regex => "regex",
            Self::IsNull => "is null",
            Self::IsNotNull => "is not null",
        }
    }

    /// `is null` and `is not null` stand alone.
    pub(crate) fn takes_value(self) -> bool {
        !matches!(self, Self::IsNull | Self::IsNotNull)
    }

    pub(crate) fn takes_list(self) -> bool {
        matches!(self, Self::In | Self::NotIn)
    }
}
