//! Wire types, problem body, OpenAPI document; no logic.
