//! The store in memory, for tests and simulation.

/// Placeholder until its module is written.
pub struct MemoryStore;
