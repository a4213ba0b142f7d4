//! HTTP routes, live event stream, metrics, authentication.
