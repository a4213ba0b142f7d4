//! Which tasks a worker may take at all, and which of the window it takes.
//!
//! Ready tasks stand in lanes: those of one lane ask for the same kind, format, labels and scarce things, so that an idle
//! worker may take either all or none of them. A claim looks at the head of the lanes that suit it, and at no others: a
//! queue full of tasks for somebody else hides nothing.

use hw_job::{Scarce, TaskSpec};
use serde_json::{Value, json};

use super::{Claim, Slot};
use crate::StoreError;

/// What the tasks of a lane ask of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lane {
    kind: String,
    format: u32,
    /// Sorted, each once.
    labels: Vec<String>,
    scarce: Scarce,
}

impl Lane {
    pub(crate) fn of(spec: &TaskSpec) -> Self {
        let mut labels = spec.needs.labels.clone();
        labels.sort_unstable();
        labels.dedup();
        Self {
            kind: spec.kind.clone(),
            format: spec.format,
            labels,
            scarce: spec.needs.scarce(),
        }
    }

    /// The lane as a text: the same for the same lane, so that tables can sort by it. It ends in `}]` if scarce things are
    /// needed, else in `false]`.
    pub(crate) fn to_text(&self) -> Result<String, StoreError> {
        let scarce = match self.scarce.is_none() {
            true => json!(false),
            false => json!(self.scarce),
        };
        let parts = (&self.kind, self.format, &self.labels, scarce);
        serde_json::to_string(&parts).map_err(|error| StoreError::Misuse(format!("a lane cannot be written: {error}")))
    }

    /// The lane that [`to_text`](Self::to_text) writes so.
    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        let corrupt = |error| StoreError::Corrupt(format!("the lane `{text}`: {error}"));
        let (kind, format, labels, scarce): (_, _, _, Value) = serde_json::from_str(text).map_err(corrupt)?;
        let scarce = match scarce {
            Value::Bool(_) => Scarce::default(),
            scarce => serde_json::from_value(scarce).map_err(corrupt)?,
        };
        Ok(Self {
            kind,
            format,
            labels,
            scarce,
        })
    }

    /// The scarce needs of a task, of whose lane stores give the text only if it has any.
    pub(crate) fn scarce_of(lane: Option<&str>) -> Result<Scarce, StoreError> {
        lane.map_or(Ok(Scarce::default()), |lane| Ok(Self::parse(lane)?.scarce))
    }

    /// Whether the worker that makes the claim may take the lane's tasks.
    pub(crate) fn suits(&self, claim: &Claim) -> bool {
        let known = |(kind, newest): &(String, u32)| *kind == self.kind && self.format <= *newest;
        claim.slot.scarce.covers(&self.scarce)
            && claim.kinds.iter().any(known)
            && self.labels.iter().all(|label| claim.slot.labels.contains(label))
    }
}

/// A task of the window, as far as the choice depends on it.
#[derive(Debug)]
pub(crate) struct Candidate<T> {
    pub(crate) task: T,
    pub(crate) cpu_milli: u32,
    pub(crate) memory_bytes: u64,
    pub(crate) scarce: Scarce,
    /// Whether the worker holds one of the task's keys.
    pub(crate) held: bool,
}

/// The tasks of the window that are taken: those whose parts the worker holds first, otherwise in the window's order,
/// each if it fits the room that the ones before it left.
pub(crate) fn choose<T>(window: Vec<Candidate<T>>, slot: &Slot) -> Vec<T> {
    let (held, others): (Vec<_>, Vec<_>) = window.into_iter().partition(|candidate| candidate.held);
    let mut room = slot.clone();
    let mut chosen = Vec::new();
    for candidate in held.into_iter().chain(others) {
        let fits = room.tasks > 0
            && candidate.cpu_milli <= room.cpu_milli
            && candidate.memory_bytes <= room.memory_bytes
            && room.scarce.covers(&candidate.scarce);
        if fits {
            room.tasks -= 1;
            room.cpu_milli -= candidate.cpu_milli;
            room.memory_bytes -= candidate.memory_bytes;
            room.scarce = room.scarce.without(&candidate.scarce);
            chosen.push(candidate.task);
        }
    }
    chosen
}

/// Whether the worker holds one of the task's keys.
pub(crate) fn holds_any(claim: &Claim, affinity: &[String]) -> bool {
    affinity.iter().any(|key| claim.holds.contains(key))
}
