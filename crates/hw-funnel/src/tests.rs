#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod answers;
mod blocks;
mod codes;
mod differential;
mod examples;
mod fuzz;
mod generate;
mod oracle;
mod outline;
pub(crate) mod table;
