//! Seeds, planted bugs, and one fault at every call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod every_call;
mod planted;
mod seeds;
#[path = "../../hw-store/src/tests/server.rs"]
#[allow(dead_code, clippy::disallowed_methods, reason = "the store's tests use all of it")]
mod server;
mod shortening;
mod stores;
