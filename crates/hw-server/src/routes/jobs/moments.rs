//! Instants as clients write them: a time on the wall, or so long from now.
//!
//! What a client writes is turned into a length of time at once, by the wall's clock as it stands; from then on only elapsed
//! time counts, so that a jump of the wall's clock moves no start and no deadline.

use std::time::Duration;

use chrono::DateTime;
use hw_job::{Due, Timestamp};

use crate::config::{UnitFault, parse_duration};

/// The farthest instant that may be named.
const AHEAD_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// An instant as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Moment {
    /// On the wall.
    At(Timestamp),
    /// From now.
    In(Duration),
}

/// Why a text names no instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in super::super) enum MomentFault {
    /// A number and nothing else.
    #[error("needs a unit")]
    NoUnit,
    /// Neither a time nor a duration.
    #[error("is neither a time as RFC 3339 writes it nor a duration")]
    NotUnderstood,
}

impl MomentFault {
    pub(in super::super) fn help(self) -> &'static str {
        match self {
            Self::NoUnit => "write for instance `10m` for ten minutes from now",
            Self::NotUnderstood => "write for instance `2026-01-31T06:00:00Z`, or `10m` for ten minutes from now",
        }
    }
}

impl Moment {
    /// `2026-01-31T06:00:00+01:00` or `10m`.
    pub(in super::super) fn parse(text: &str) -> Result<Self, MomentFault> {
        match (parse_duration(text), DateTime::parse_from_rfc3339(text.trim())) {
            (Ok(time), _) => Ok(Self::In(time)),
            (_, Ok(time)) => Ok(Self::At(Timestamp(time.timestamp_micros()))),
            (Err(UnitFault::NoUnit { .. }), Err(_)) => Err(MomentFault::NoUnit),
            (Err(UnitFault::NotUnderstood | UnitFault::TooLarge), Err(_)) => Err(MomentFault::NotUnderstood),
        }
    }

    /// The same in the query of a URL, where a `+` that was not escaped has become a blank.
    pub(in super::super) fn parse_parameter(text: &str) -> Result<Self, MomentFault> {
        Self::parse(text).or_else(|fault| match text.rsplit_once(' ') {
            Some((time, zone)) => Self::parse(&format!("{time}+{zone}")).map_err(|_| fault),
            None => Err(fault),
        })
    }

    /// How it stands to the wall's clock now; an instant that has passed is due at once.
    fn due(self, now: Timestamp) -> Due {
        let (after, at) = match self {
            Self::In(after) => {
                let micros = i64::try_from(after.as_micros()).unwrap_or(i64::MAX);
                (after, Timestamp(now.0.saturating_add(micros)))
            }
            Self::At(at) => {
                let micros = u64::try_from(at.0.saturating_sub(now.0)).unwrap_or(0);
                (Duration::from_micros(micros), at)
            }
        };
        Due { after, at }
    }
}

/// When a job is to start and to have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in super::super) struct Instants {
    pub(in super::super) not_before: Option<Due>,
    pub(in super::super) deadline: Option<Due>,
}

/// What is wrong with one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct InstantFault {
    pub(in super::super) name: &'static str,
    pub(in super::super) message: String,
    pub(in super::super) help: &'static str,
}

impl Instants {
    /// The instants seen from now, and every fault of theirs, told by `tell`.
    pub(in super::super) fn new<T>(
        not_before: Option<Moment>,
        deadline: Option<Moment>,
        now: Timestamp,
        tell: impl Fn(InstantFault) -> T,
    ) -> (Self, Vec<T>) {
        let instants = Self {
            not_before: not_before.map(|moment| moment.due(now)),
            deadline: deadline.map(|moment| moment.due(now)),
        };
        (instants, instants.faults().into_iter().map(tell).collect())
    }

    fn faults(&self) -> Vec<InstantFault> {
        let start = self.not_before.map(|due| ("not_before", due));
        let named = start.into_iter().chain(self.deadline.map(|due| ("deadline", due)));
        let far = named
            .filter(|(_, due)| due.after > AHEAD_MAX)
            .map(|(name, _)| InstantFault {
                name,
                message: format!("`{name}` lies more than 100 years ahead"),
                help: "name an earlier time",
            });
        let past = self.deadline.filter(|due| due.after.is_zero()).map(|due| InstantFault {
            name: "deadline",
            message: format!("`deadline` has passed already: {}", due.at),
            help: "name a later time, or leave it out",
        });
        let never = self.deadline.zip(self.not_before);
        let never = never.filter(|(end, start)| !end.after.is_zero() && start.after >= end.after);
        let never = never.map(|(end, start)| InstantFault {
            name: "not_before",
            message: format!(
                "the job may not start before {}, and must have ended by {}",
                start.at, end.at
            ),
            help: "let it start earlier, or move the deadline",
        });
        far.chain(past).chain(never).collect()
    }
}

#[cfg(test)]
mod tests;
