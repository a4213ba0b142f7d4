//! Funnel query: typed language, validation, matching over Arrow batches, merging partials.
