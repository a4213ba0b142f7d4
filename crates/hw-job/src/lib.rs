//! Event, job, task, attempt, outcome: ids, states and the pure transition function.
