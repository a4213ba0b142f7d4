//! Integration tests: see `it.rs`.
