//! Deterministic simulation: controller and store against fake workers.
