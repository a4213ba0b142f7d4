//! Tests of the file layer, by module; what several of them need stands here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod access;
mod discover;
mod files;
mod footer;
mod http;
mod local;
mod location;
mod pattern;
mod read;
pub(crate) mod samples;
mod standing;
