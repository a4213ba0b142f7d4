//! The controller against a store in memory, with a clock that is moved by hand and a worker that is told what to do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod cancelling;
mod delaying;
mod driving;
mod finishing;
mod rescuing;
mod running;
mod setting;
mod submitting;
