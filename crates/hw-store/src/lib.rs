//! Trait Store: catalog, jobs, tasks, queue, events, history; in memory and on SQLite.
