//! What handlers take from a request, each checked as a whole: every fault of a body or a query string in one answer.

mod accept;
mod body;
mod members;
mod path;
mod query;
#[cfg(test)]
mod tests;

pub(crate) use accept::preferred;
pub(crate) use body::{AnyJson, JsonBody, MaybeBody};
pub(crate) use path::Segments;
pub(crate) use query::{QueryPairs, Reader};
