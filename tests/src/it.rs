//! What users see: the command line, HTTP, the Unix socket, files. One binary, a folder of cases per capability.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "tests may fail loudly and look at real clocks"
)]

mod api;
mod buckets;
mod cli;
mod crash;
mod data;
mod disk;
mod docs;
mod export;
mod funnel;
mod harness;
mod hostile;
mod openapi;
mod parts;
mod postgres;
#[path = "../../crates/hw-store/src/tests/server.rs"]
#[allow(dead_code, reason = "the store's tests use all of it")]
mod postgres_server;
mod reader;
mod readme;
mod repartition;
mod rocket;
mod sql;
mod storm;
mod tables;
mod transcript;
mod views;
