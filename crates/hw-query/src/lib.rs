//! The only crate that names DataFusion: providers, SQL, funnel operator, explain.
