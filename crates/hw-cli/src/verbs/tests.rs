//! Each verb's requests and output, as transcripts: `>` a request, `!` a line of standard error, the rest is standard
//! output.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod admin;
mod complete;
mod funnels;
mod jobs;
mod scripts;
mod sql;
mod tables;
