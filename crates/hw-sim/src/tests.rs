//! Seeds, planted bugs, and one fault at every call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod every_call;
mod planted;
mod seeds;
mod shortening;
mod sqlite;
