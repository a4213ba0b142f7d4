//! Tests of registration, by module; what several of them need stands here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod choose;
mod combine;
mod inspect;
mod params;
mod records;
mod samples;
