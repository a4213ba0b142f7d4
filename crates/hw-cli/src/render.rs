//! Answers in the clothes that people and programs read.

pub(crate) mod csv;
pub(crate) mod diagnostic;
pub(crate) mod explained;
pub(crate) mod figures;
pub(crate) mod funnel;
pub(crate) mod grid;
pub(crate) mod json;
pub(crate) mod listing;
pub(crate) mod man;
pub(crate) mod rows;
pub(crate) mod sample;
pub(crate) mod script;
#[cfg(test)]
mod tests;
pub(crate) mod text;
