//! Nothing: the tests are one binary, `it.rs`.
