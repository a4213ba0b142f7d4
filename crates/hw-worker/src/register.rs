//! Registering a dataset: which parts are looked at, what is found in one, what the parts say together.
//!
//! ```text
//! parameters ─▶ files ─▶ choose_parts ─▶ inspect (one task per part) ─▶ combine ─▶ Table, documents
//! ```
//!
//! Everything but [`inspect`] is pure. An inspection travels as JSON; the group ids of its part, which may be many,
//! travel apart as Arrow IPC.

mod choose;
mod combine;
mod ids;
mod inspect;
mod kind;
mod params;
mod records;
mod run;
#[cfg(test)]
mod tests;

pub use choose::SampleLimits;
pub use kind::RegisterKind;
pub use records::{dataset_name, full_schema, info, parts_info, short_schema};
pub use run::{RegisterOptions, RegisterRunner};

pub(crate) use choose::{checks_uniqueness, choose_parts};
pub(crate) use combine::{CombineOptions, Combined, Outlines, PartOutline, combine_folded, joined};
pub(crate) use ids::GroupIds;
pub(crate) use inspect::{InspectError, InspectOptions, Inspected, PartInspection, inspect};
pub(crate) use params::{RegisterParams, Validation};

#[cfg(test)]
pub(crate) use combine::combine;
