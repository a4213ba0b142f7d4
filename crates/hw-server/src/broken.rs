//! Why answers broke off after their first bytes: a status cannot tell it any more.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use hw_api::Problem;
use hw_query::QueryError;

use crate::problem::{ApiError, Fault, of_query};

/// Answers that are remembered.
const ANSWERS_MAX: usize = 256;

/// The newest answers that broke off, by the id of their request.
#[derive(Default)]
pub(crate) struct BrokenAnswers(Mutex<VecDeque<(String, Problem)>>);

impl BrokenAnswers {
    /// Notes why the body of an answer ended before its time.
    pub(crate) fn note(&self, request: &str, error: &axum::Error) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() == ANSWERS_MAX {
            known.pop_front();
        }
        known.push_back((request.to_owned(), problem_of(error)));
    }

    /// Why the answer to a request broke off, if it is known.
    pub(crate) fn find(&self, request: &str) -> Option<Problem> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().rev().find(|(id, _)| id == request);
        found.map(|(_, problem)| problem.clone())
    }
}

fn problem_of(error: &axum::Error) -> Problem {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<QueryError>() {
            return of_query(error);
        }
        cause = error.source();
    }
    let message = format!("an answer broke off: {error}");
    Fault::from(ApiError::Internal { message }).into_problem()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_newest_are_remembered_with_their_cause() {
        let broken = BrokenAnswers::default();
        let error = || axum::Error::new(QueryError::Cancelled);
        broken.note("first", &axum::Error::new(error()));
        let cause = of_query(&QueryError::Cancelled);
        assert_eq!(broken.find("first").unwrap().code, cause.code);
        assert!(broken.find("other").is_none());
        for number in 0..ANSWERS_MAX {
            broken.note(&number.to_string(), &error());
        }
        assert!(broken.find("first").is_none());
        assert!(broken.find("0").is_some());
    }
}
